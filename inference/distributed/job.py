"""The Ray Data job: rows of the plan in, an actor pool over them, committed parts out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from inference.distributed.cutting import cut_parts
from inference.distributed.parts import FOLDERS, committed_parts, read_manifest
from inference.distributed.pieces import find_pieces
from inference.distributed.plan import PartPlace, Plan
from inference.distributed.stores import Store, is_uri
from inference.distributed.summary import JobSummary, summarise
from inference.distributed.worker import Engine, PartWorker
from zhibiao.errors import ReadError

__all__ = ["Job", "plan_job", "run_job"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a distributed run was asked to do.

    ``reports`` is how many a part has. ``actors`` is how many work side by side, None for all
    that fit the cluster; each reserves ``cpus`` cores and ``gpus`` GPUs, which may be a fraction.
    """

    inputs: tuple[str, ...]
    output: str
    records: bool = True
    keep_boilerplate: bool = False
    reports: int = 1000
    actors: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    patience: float = 1800.0


def run_job(job: Job, engine: Engine, tell: Callable[[Mapping[str, Any], int], None]) -> JobSummary:
    """Do every part that is not done, on the cluster that is joined, and sum up all of them.

    ``tell`` hears of each part as it ends: what the worker counted, and how many are left.

    Raises:
        ReadError: no input matched any file, or the cluster is too small.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written, or holds another job's results.
    """
    store = Store(job.output)
    plan = plan_job(job, store, engine)
    done = committed_parts(store)
    waiting = [place for place in plan.parts if place.part not in done]
    errors: dict[int, str] = {}
    if waiting:
        for count, row in enumerate(_work(job, plan, waiting, engine), start=1):
            if row["error"]:
                errors[row["part"]] = row["error"]
            tell(row, len(waiting) - count)
    for folder in FOLDERS:
        store.sweep(folder)
    with ThreadPoolExecutor(16) as pool:
        manifests = list(pool.map(lambda place: read_manifest(store, place.part), plan.parts))
    return summarise(plan, manifests, errors)


def plan_job(job: Job, store: Store, engine: Engine) -> Plan:
    """The plan of the job: that of an earlier run as it stands, or a new one."""
    settings = {
        "inputs": [one if is_uri(one) else os.path.abspath(one) for one in job.inputs],
        "reports": job.reports,
        "records": job.records,
        "keep_boilerplate": job.keep_boilerplate,
        "model": dict(engine.info()),
    }
    plan = Plan.find(store)
    if plan is not None:
        plan.check(settings)
        return plan
    files, unmatched = find_pieces(job.inputs, job.output)
    if not files:
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    return Plan.make(store, settings, unmatched, cut_parts(files, job.reports))


def _work(
    job: Job, plan: Plan, waiting: list[PartPlace], engine: Engine
) -> Iterator[Mapping[str, Any]]:
    """Send the parts through the actors; yields what they counted, in the order they end.

    Ray starts an actor that died anew, on another machine where its own is gone, and gives it
    the same part again, as often as it takes: the worker sees to it that this comes to an end.
    """
    import ray.data

    rows = [asdict(place) for place in waiting]
    # A block a part: what is lost with a machine is the part that it was at.
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        PartWorker,
        fn_constructor_args=(engine, plan),
        fn_constructor_kwargs={
            "records": job.records,
            "keep_boilerplate": job.keep_boilerplate,
            "patience": job.patience,
        },
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            size=min(job.actors or _slots(job), len(rows)), max_tasks_in_flight_per_actor=1
        ),
        num_cpus=job.cpus,
        num_gpus=job.gpus,
    )
    # Without looking ahead: a part is heard of when it ends, not when the next one does.
    batches: Iterable[Any] = dataset.iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    )
    for batch in batches:
        yield from batch.to_pylist()


def _slots(job: Job) -> int:
    """How many actors fit the cluster as it is now.

    Raises:
        ReadError: not even one, so that the job would wait for ever.
    """
    import ray

    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    slots = has.get("CPU", 0) / job.cpus
    if job.gpus:
        slots = min(slots, has.get("GPU", 0) / job.gpus)
    if slots < 1:
        raise ReadError(
            f"集群里放不下一个进程（要 {job.cpus} 个核心、{job.gpus:g} 块 GPU）；"
            "请减少 --threads、--gpus；会自动扩容的集群请用 --actors 说明要几个进程"
        )
    return int(slots)
