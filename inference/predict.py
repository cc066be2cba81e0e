"""Turn reports into rows, who, which year, which indicator, how much, for people and programs.

    python -m inference.predict INPUT... --output DIR

Exit status: 0 everything was read, 1 some inputs failed, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from inference.archive import holds_archive, is_archive_sized, run_archive
from inference.options import Options, build_parser, parse_arguments
from inference.outputs import formats_of, output_errors, output_folder, targets_in, write_outputs
from inference.pipeline import SpanExtractor, load_extractor, predict
from inference.run import Run
from inference.summary import Summary, print_summary
from zhibiao.errors import ReadError, ZhibiaoError
from zhibiao.inputs import read_inputs
from zhibiao.journal import Journal, one_line
from zhibiao.sources import Source, find_sources
from zhibiao.spans import LABELS
from zhibiao.terminal import accept_lossy_terminal, stop_like_ctrl_c

__all__ = ["Options", "Summary", "build_parser", "main", "parse_arguments", "run"]

_EXCEL_ROWS = 1_048_576


def run(options: Options, extractor: SpanExtractor | None = None) -> Summary:
    """Read all inputs, find their spans and records, write the outputs.

    A run over few reports writes each output at once, and nothing half-written. One over many, or
    one that is asked to, is an archive: see :func:`inference.archive.run_archive`.
    ``extractor`` stands in for the model that the options name.

    Raises:
        ReadError: no input matched any file.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written.
    """
    if options.asks_for_archive or holds_archive(options.output):
        return run_archive(options, extractor)
    sources, unmatched = find_sources(options.inputs, outputs=targets_in(options.output))
    if not sources:
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    if is_archive_sized(sources):
        return run_archive(options, extractor)
    return _run_at_once(options, sources, unmatched, extractor)


def _run_at_once(
    options: Options,
    sources: Sequence[Source],
    unmatched: Sequence[str],
    extractor: SpanExtractor | None,
) -> Summary:
    formats = formats_of(options)
    with ExitStack() as stack:
        stack.enter_context(output_errors(options.output))
        stack.enter_context(output_folder(options.output))
        for one in formats:
            one.check(options.output / one.target)
        if extractor is None:
            extractor = load_extractor(options)
        total = sum(source.size for source in sources)
        journal = stack.enter_context(Journal(total, quiet=options.quiet))
        facts = Run(extractor.info, journal.failures)
        for line in unmatched:
            journal.failure(line)
        inputs = read_inputs(sources, journal, keep_boilerplate=options.keep_boilerplate)
        predictions = predict(inputs, extractor, journal, records=options.records)
        write_outputs(predictions, options.output, formats, facts, journal)
        _warn(facts, options, journal)
    return Summary(
        reports=len(facts.reports),
        characters=sum(report.characters for report in facts.reports),
        spans={label: sum(report.spans[label] for report in facts.reports) for label in LABELS},
        records=sum(report.records for report in facts.reports),
        doubtful=sum(report.doubtful for report in facts.reports),
        failures=tuple(journal.failures),
        outputs=[(options.output / one.entry, one.note) for one in formats],
    )


def _warn(facts: Run, options: Options, journal: Journal) -> None:
    """Say what an analyst would otherwise miss without knowing."""
    if "csv" in options.formats:
        rows = sum(r.records if options.records else sum(r.spans.values()) for r in facts.reports)
        if rows >= _EXCEL_ROWS:
            journal.warning(
                f"CSV 超过 Excel 的 {_EXCEL_ROWS} 行上限；请用 xlsx（自动分工作表）或 --part 分批"
            )
    if facts.too_many_rows:
        journal.warning("记录太多，没有合并成序列；请用 --part 分批处理")


def main(argv: Sequence[str] | None = None, extractor: SpanExtractor | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(argv)
    try:
        summary = run(options, extractor)
    except ZhibiaoError as error:
        print(f"错误：{one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if holds_archive(options.output):
            print("已中断；做完的部分都在，再运行同一条命令就接着做。", file=sys.stderr)
        else:
            print("已中断，没有写出结果。", file=sys.stderr)
        return 130
    if not options.quiet:
        print_summary(summary, Console(soft_wrap=True, highlight=False, emoji=False))
    # A folder that was watched has no end at which everything was read.
    return 0 if options.watch else summary.exit_status


if __name__ == "__main__":
    accept_lossy_terminal()
    stop_like_ctrl_c()
    sys.exit(main())
