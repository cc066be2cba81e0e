"""Prediction on many machines: a Ray Data job over parts of the input.

The unit of work is a part, some thousand reports that a plan names before the work begins::

    pieces    find files, on disks and in object stores
    cutting   cut them into parts, ids settled: the same parts every time
    plan      plan.jsonl, the parts of a job
    cluster   join a Ray cluster or start one
    job       Ray Data: a row a part through a pool of actors
    worker    an actor: read, extract, link, commit; quarantine of what kills it
    parts     predictions/ records/ manifests/: a part counts once its manifest is there
    summary   what came of it; verify: the proof, byte for byte

Whole parts go through one actor, and only their numbers through Ray's object store: a part is
what can be committed, done again and counted. An actor needs a core, so reading and linking keep
no GPU waiting when several actors share it.
"""
