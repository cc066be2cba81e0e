"""Train one prepared run of a study in a process of its own; started by ``training.study``.

python -m training.studies CONFIG [--test SOURCE ...]
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path

from training.config import load_config
from training.studies.run import carry_out
from training.train import TrainConfig
from zhibiao.errors import ZhibiaoError

__all__ = ["main"]


def _end_with_parent() -> None:
    """Stop when the study is gone, or a repeated study would meet a run that still writes."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.studies", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--test", nargs="*", default=[], metavar="SOURCE")
    options = parser.parse_args(argv)
    _end_with_parent()
    try:
        config = load_config(TrainConfig, options.config)
        carry_out(config, options.test, resume=options.resume)
    except (ZhibiaoError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
