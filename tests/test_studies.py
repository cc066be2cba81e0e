"""Studies: folds, learning curve, seeds, search and sweep, on tiny models and made-up scores."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from rich.console import Console

from training.config import load_config
from training.studies import run as run_module
from training.studies.folds import FoldsConfig, divide
from training.studies.forecast import fit_power_law, forecast
from training.studies.intervals import (
    bootstrap_difference,
    bootstrap_f1,
    describe,
    mean_interval,
)
from training.studies.learning_curve import CurveConfig, order, plan_curve, summarise_curve
from training.studies.run import Result, Run, execute
from training.studies.search import SearchConfig, plan_search
from training.studies.seeds import SeedsConfig, summarise_seeds
from training.studies.settings import Sources, StudyConfig, run_config
from training.studies.sweep import SweepConfig, plan_sweep, summarise_sweep
from training.study import KINDS, dry_run, main, run_study
from training.train import TrainConfig
from zhibiao import FormatError, Report, parse_tagged, read_jsonl, write_jsonl
from zhibiao.corpus import read_reports

TAGGED = (
    "⟦年份|2019年⟧，⟦机构|市农业局⟧登记⟦指标|合作社数量⟧⟦数值|406⟧⟦单位|家⟧，"
    "⟦企业名|禾盛粮油⟧参加，较上年增长⟦数值|12.5⟧⟦单位|%⟧。\n"
)


def report(number: int, genre: str = "甲", **meta: str) -> Report:
    text, spans = parse_tagged(TAGGED * (1 + number % 3))
    return Report(f"r{number:02}", text, spans, {"genre": genre, **meta})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with train.jsonl (12 reports), validation.jsonl and base.yaml."""
    write_jsonl(tmp_path / "train.jsonl", [report(i, "甲乙"[i % 2]) for i in range(12)])
    write_jsonl(tmp_path / "validation.jsonl", [report(90)])
    base = {
        "name": "tiny",
        "encoder": None,
        "output": "unused",
        "train": [str(tmp_path / "train.jsonl")],
        "validation": [str(tmp_path / "validation.jsonl")],
        "window": 62,
        "overlap": 16,
        "epochs": 1,
        "batch_windows": 8,
        "bf16": False,
        "device": "cpu",
        "threads": 1,
        "augment": None,
    }
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    return tmp_path


def settings(files: Path, **more: Any) -> dict[str, Any]:
    base = {"base": str(files / "base.yaml"), "output": str(files / "study"), "isolate": False}
    return base | more


class FakeTrain:
    """Stands for training.train.train: copies a ready model; fails for the seeds in ``broken``."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self.seen: list[TrainConfig] = []
        self.broken: set[int] = set()

    def __call__(self, config: TrainConfig) -> tuple[Path, None]:
        self.seen.append(config)
        if config.seed in self.broken:
            raise RuntimeError(f"no luck with seed {config.seed}\nat all")
        shutil.copytree(self.model, config.output, dirs_exist_ok=True)
        return Path(config.output), None


@pytest.fixture
def fake(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTrain:
    train = FakeTrain(tiny_model)
    monkeypatch.setattr(run_module, "train", train)
    return train


def result(run: Run, right: int, *, gold: int = 100, reports: int = 2) -> Result:
    """A finished run that predicted as many spans as there are: its F1 is right / gold."""
    counts = {"right": right, "predicted": gold, "gold": gold}
    f1 = round(right / gold, 4)
    each = [
        {"id": f"r{i}", "genre": "甲", **{key: value // reports for key, value in counts.items()}}
        for i in range(reports)
    ]
    scores = {"micro": counts, "macro_f1": f1, "labels": {"数值": {**counts, "f1": f1}}}
    return Result(run, "done", {"scores": scores, "reports": each, "seconds": 1.0})


# Study files


def test_ready_study_files_fit_their_configs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    names = sorted(path.stem for path in (root / "configs" / "studies").glob("*.yaml"))
    assert set(names) == {*KINDS, "debug"}
    for name in names:
        kind = KINDS["seeds" if name == "debug" else name]
        study = load_config(kind.config, f"configs/studies/{name}.yaml")
        run_config(study, "x", {}, "changes")
        if isinstance(study, SweepConfig | SearchConfig | SeedsConfig):
            assert kind.plan(study, Sources(Path("unused"), write=False))


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("seeds", {"sedes": [1, 2]}, "unknown key 'sedes'; did you mean 'seeds'?"),
        ("seeds", {"seeds": [1]}, "seeds: "),
        ("seeds", {"base": None}, "base: "),
        ("seeds", {"base": "none.yaml"}, "none.yaml: no such config"),
        ("seeds", {"changes": {"epochz": 3}}, "changes: "),
        ("seeds", {"changes": {"epochs": 0}}, "epochs: Input should be greater"),
        ("seeds", {"changes": {"output": "x"}}, "changes: 'output' is set by the study"),
        ("seeds", {"processes": 2}, "processes: 2 at a time need isolate: true"),
        ("kfold", {"folds": 1}, "folds: "),
        ("kfold", {"folds": 13}, "folds: 13 is more than the 12 reports"),
        ("kfold", {"reports": ["data:nowhere"]}, "reports: 'data:nowhere' is not among"),
        ("curve", {"sizes": [0, 3]}, "sizes: "),
        ("curve", {"sizes": [4, 13]}, "sizes: 13 is more than the 12 reports"),
        ("sweep", {}, "key 'variants' is missing"),
        ("sweep", {"variants": {"a": {"droput": 0.0}}}, "variants.a: "),
        ("sweep", {"variants": {"base": {}}}, "variants: "),
        ("sweep", {"variants": {"a/b": {}}}, "variants: "),
        ("search", {"space": {"epohcs": {"type": "int", "low": 1, "high": 2}}}, "space.epohcs: "),
        ("search", {"space": {"epochs": {"type": "int", "low": 1}}}, "needs low and high"),
        ("search", {"space": {"epochs": {"type": "int", "low": 0, "high": 2}}}, "space.epochs: "),
        (
            "search",
            {"space": {"learning_rate": {"type": "float", "low": 0.0, "high": 1.0, "log": True}}},
            "space.learning_rate: ",
        ),
        ("search", {"space": {"dropout": {"type": "choice", "low": 0.1}}}, "needs choices"),
        ("search", {"space": {"dropout": {"type": "choice"}}, "test": ["x.jsonl"]}, "dropout"),
        (
            "search",
            {"space": {"dropout": {"type": "choice", "choices": [0.1]}}, "test": ["x.jsonl"]},
            "a search is scored on validation",
        ),
    ],
)
def test_bad_study_files_name_the_key(
    files: Path,
    kind: str,
    change: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = files / "study.yaml"
    content = settings(files, prune=False) if kind == "search" else settings(files)
    path.write_text(yaml.safe_dump(content | change, allow_unicode=True), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main([kind, "--config", str(path)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert message in error
    assert error.count("\n") == 1


# Folds and subsets


def test_folds_partition_the_reports_and_balance_genres() -> None:
    reports = [report(i, "甲" if i < 20 else "乙" if i < 30 else f"小{i}") for i in range(33)]
    parts = divide(reports, 5, seed=1)
    ids = [r.id for part in parts for r in part]
    assert sorted(ids) == [r.id for r in reports]
    for part in parts:
        genres = Counter(r.meta["genre"] for r in part)
        # The 3 single reports are too few for 5 parts and are spread with the largest genre.
        assert genres["乙"] == 2
        assert len(part) - 2 in (4, 5)
    again = divide(reports[::-1], 5, seed=1)
    assert [[r.id for r in part] for part in again] == [[r.id for r in part] for part in parts]
    other = divide(reports, 5, seed=2)
    assert [[r.id for r in part] for part in other] != [[r.id for r in part] for part in parts]


def test_folds_keep_groups_together() -> None:
    reports = [report(i, writer=f"w{i % 7}") for i in range(28)]
    parts = divide(reports, 3, seed=1, group="writer")
    assert sorted(r.id for part in parts for r in part) == [r.id for r in reports]
    where = [{r.meta["writer"] for r in part} for part in parts]
    assert sum(map(len, where)) == len(set().union(*where)) == 7
    with pytest.raises(FormatError, match="folds: 8 is more than the 7 values of 'writer'"):
        divide(reports, 8, seed=1, group="writer")


def test_order_is_stable_when_reports_are_added() -> None:
    reports = [report(i) for i in range(12)]
    few = [r.id for r in order(reports[:6], 3)]
    many = [r.id for r in order(reports[::-1], 3)]
    assert [i for i in many if i in few] == few
    assert [r.id for r in order(reports, 4)] != many


def test_curve_plan_has_nested_subsets_and_longer_training(files: Path) -> None:
    study = CurveConfig(
        **settings(files, sizes=[3, 6, "all"], seeds=[1, 2], changes={"epochs": 4, "patience": 2})
    )
    runs = plan_curve(study, Sources(files / "data"))
    assert [(r.facts["size"], r.facts["seed"]) for r in runs] == [
        (size, seed) for size in (3, 6, 12) for seed in (1, 2)
    ]
    held = {r.name: {x.id for x in read_jsonl(r.config.train[0])} for r in runs}
    for seed in (1, 2):
        small, middle, whole = (held[f"size-{n}-seed-{seed}"] for n in (3, 6, 12))
        assert small < middle < whole
        assert (len(small), len(middle), len(whole)) == (3, 6, 12)
    assert held["size-3-seed-1"] != held["size-3-seed-2"]
    assert (runs[-1].config.epochs, runs[-1].config.patience) == (4, 2)
    characters = [sum(len(x.text) for x in read_jsonl(r.config.train[0])) for r in (runs[0],)]
    total = sum(len(x.text) for x in read_jsonl(files / "train.jsonl"))
    assert runs[0].config.epochs == round(4 * (total / characters[0]) ** 0.5)
    assert [r.config.seed for r in runs[:2]] == [1, 2]


# Runs


def test_finished_runs_are_not_done_again(files: Path, fake: FakeTrain) -> None:
    study = SeedsConfig(**settings(files, seeds=[1, 2, 3]))
    first = run_study("seeds", study)
    assert [c.seed for c in fake.seen] == [1, 2, 3]
    assert [row["status"] for row in first["runs"]] == ["done"] * 3
    again = run_study("seeds", study)
    assert len(fake.seen) == 3
    assert [row["status"] for row in again["runs"]] == ["reused"] * 3
    assert again["summary"] == first["summary"]
    # One more seed: one more run. A lost model: that run. Another config or other data: all.
    run_study("seeds", study.model_copy(update={"seeds": [1, 2, 3, 4]}))
    assert [c.seed for c in fake.seen[3:]] == [4]
    (files / "study" / "runs" / "seed-2" / "zhibiao.json").unlink()
    run_study("seeds", study)
    assert [c.seed for c in fake.seen[4:]] == [2]
    run_study("seeds", study.model_copy(update={"changes": {"epochs": 2}}))
    assert [(c.seed, c.epochs) for c in fake.seen[5:]] == [(1, 2), (2, 2), (3, 2)]
    write_jsonl(files / "train.jsonl", [report(i) for i in range(5)])
    run_study("seeds", study.model_copy(update={"changes": {"epochs": 2}}))
    assert len(fake.seen) == 11


def test_a_failed_run_is_told_and_the_others_go_on(
    files: Path, fake: FakeTrain, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "study.yaml"
    path.write_text(yaml.safe_dump(settings(files, seeds=[1, 2, 3])), encoding="utf-8")
    fake.broken = {2}
    with pytest.raises(SystemExit) as caught:
        main(["seeds", "--config", str(path)])
    assert caught.value.code == 1
    assert "failed: seed-2" in capsys.readouterr().err
    study = json.loads((files / "study" / "study.json").read_text(encoding="utf-8"))
    assert [row["status"] for row in study["runs"]] == ["done", "failed", "done"]
    assert study["runs"][1]["error"] == "RuntimeError: no luck with seed 2"
    assert study["failed"] == ["seed-2"]
    assert study["summary"]["micro"]["runs"] == 2
    fake.broken = set()
    main(["seeds", "--config", str(path), "seeds=[1, 2]", "processes=1"])
    assert [c.seed for c in fake.seen] == [1, 2, 3, 2]
    main(["seeds", "--config", str(path), "--dry-run"])
    assert "3 runs" in capsys.readouterr().out
    assert len(fake.seen) == 4


def test_an_interrupted_run_goes_on_from_its_checkpoint(files: Path, fake: FakeTrain) -> None:
    study = SeedsConfig(**settings(files, seeds=[1, 2]))
    fake.broken = {1}
    run_study("seeds", study)
    folder = files / "study" / "runs" / "seed-1"
    state = folder / "checkpoints" / "checkpoint-5" / "trainer_state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    run_study("seeds", study)  # a checkpoint from which it fails again is given up
    assert fake.seen[-1].resume
    assert not state.exists()
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    fake.broken = set()
    run_study("seeds", study)
    assert fake.seen[-1].resume
    # A checkpoint of another config is not gone on from.
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text("{}")
    run_study("seeds", study.model_copy(update={"changes": {"epochs": 3}}))
    assert not any(c.resume for c in fake.seen if c.epochs == 3)


def test_foreign_folders_are_left_alone(files: Path, fake: FakeTrain) -> None:
    mine = files / "study" / "runs" / "seed-1" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    study = run_study("seeds", SeedsConfig(**settings(files, seeds=[1, 2])))
    assert study["failed"] == ["seed-1"]
    assert "holds something else" in study["runs"][0]["error"]
    assert mine.read_text() == "years of work"


def test_models_can_be_left_out(files: Path, fake: FakeTrain) -> None:
    study = SeedsConfig(**settings(files, seeds=[1, 2], keep_models=False))
    run_study("seeds", study)
    folder = files / "study" / "runs" / "seed-1"
    assert not list(folder.glob("model.*"))
    assert (folder / "predictions.jsonl").is_file()
    run_study("seeds", study)
    assert len(fake.seen) == 2


def test_kfold_trains_and_joins_out_of_fold_predictions(files: Path) -> None:
    study = FoldsConfig(**settings(files, folds=2))
    record = run_study("kfold", study)
    assert not record["failed"]
    lines = (files / "study" / "out_of_fold.jsonl").read_text(encoding="utf-8").splitlines()
    held = [json.loads(line) for line in lines]
    reports = {r.id: r for r in read_jsonl(files / "train.jsonl")}
    assert sorted(item["id"] for item in held) == sorted(reports)
    for item in held:
        config = json.loads(
            (files / f"study/runs/fold-{item['fold']}/run.json").read_text(encoding="utf-8")
        )["config"]
        assert item["id"] not in {r.id for r in read_jsonl(config["train"][0])}
        assert [(s["start"], s["end"], s["label"]) for s in item["gold"]] == [
            s.key for s in reports[item["id"]].spans
        ]
    # The pooled score is that of the joined file.
    gold = {(i["id"], s["start"], s["end"], s["label"]) for i in held for s in i["gold"]}
    found = {(i["id"], s["start"], s["end"], s["label"]) for i in held for s in i["spans"]}
    expected = 2 * len(gold & found) / (len(gold) + len(found))
    assert record["summary"]["pooled"]["f1"] == round(expected, 4)
    assert record["summary"]["complete"]
    for name in ("plot.svg", "plot.png", "table.csv"):
        assert (files / "study" / name).stat().st_size
    with (files / "study" / "table.csv").open(encoding="utf-8") as stream:
        assert [row["fold"] for row in csv.DictReader(stream)] == ["1", "2"]


def test_runs_in_processes_of_their_own(files: Path) -> None:
    study = StudyConfig(**settings(files, isolate=True, processes=3))
    changes: dict[str, dict[str, Any]] = {
        "bad": {"window": 8, "overlap": 0},
        "good": {},
        "long": {"epochs": 5000, "patience": 5000},
    }
    runs = [Run(name, run_config(study, name, change, "")) for name, change in changes.items()]
    seen: list[tuple[int, float]] = []

    def watch(epoch: int, f1: float) -> bool:
        seen.append((epoch, f1))
        return epoch >= 2

    bad, good, long = execute(runs, study, Sources(files / "data"), watch=watch)
    assert bad.status == "failed"
    assert "raise the window" in bad.error
    assert "log.txt" in bad.error
    assert good.status == "done"
    assert good.record["scores"]["micro"]["gold"] == 8
    assert execute([good.run], study, Sources(files / "data"))[0].status == "reused"
    assert long.status == "pruned"
    assert max(epoch for epoch, _ in seen) == 2
    assert all(0 <= f1 <= 1 for _, f1 in seen)
    assert not (long.run.folder / "checkpoints").exists()


def test_dry_run_counts_characters_and_writes_nothing(files: Path) -> None:
    study = FoldsConfig(**settings(files, folds=3, changes={"epochs": 4}))
    console = Console(record=True, width=100, file=io.StringIO())
    total = dry_run("kfold", study, console)
    train = sum(len(r.text) for r in read_reports(str(files / "train.jsonl")))
    validation = len(report(90).text)
    # Each report is trained on in two of three folds and scored in the third.
    assert total == 4 * (2 * train + 3 * validation) + train
    assert f"3 runs, {total:,} characters at most" in console.export_text()
    assert not (files / "study").exists()


# Numbers


def test_describe_by_hand() -> None:
    # sd = 0.1 / sqrt(2); half = t(0.975, 1) sd / sqrt(2) = 12.7062 * 0.05 = 0.6353
    assert describe([0.8, 0.9]) == {
        "runs": 2,
        "mean": 0.85,
        "sd": 0.0707,
        "min": 0.8,
        "max": 0.9,
        "low": 0.2147,
        "high": 1.4853,
    }
    assert describe([0.8])["sd"] is None
    assert mean_interval([0.8]) is None
    # Two folds: 1/2 + 1/1 in place of 1/2 makes it sqrt(3) times as wide.
    interval = mean_interval([0.8, 0.9], test_ratio=1.0)
    assert interval is not None
    assert interval[1] - 0.85 == pytest.approx(0.6353 * 3**0.5, abs=1e-4)


def test_bootstrap_by_hand() -> None:
    same = np.array([[3, 4, 5]] * 6)
    assert bootstrap_f1(same) == pytest.approx((6 / 9, 6 / 9))
    # One perfect and one empty report: a resample of two holds 0, 1 or 2 perfect ones.
    assert bootstrap_f1(np.array([[4, 4, 4], [0, 4, 4]])) == pytest.approx((0.0, 1.0))
    better = np.array([[4, 4, 5]] * 6)
    assert bootstrap_difference(same, better) == pytest.approx((2 / 9, 2 / 9))
    mixed = np.random.default_rng(1).integers(1, 5, (9, 3))
    assert bootstrap_difference(mixed, mixed) == (0.0, 0.0)
    with pytest.raises(ValueError, match="cannot be paired"):
        bootstrap_difference(same, better[:3])


SIZES = [10, 20, 40, 80, 160, 234]


def test_fit_recovers_a_known_curve() -> None:
    law = fit_power_law(SIZES, [0.95 - 0.9 * n**-0.6 for n in SIZES])
    assert (law.a, law.b, law.c) == pytest.approx((0.95, 0.9, 0.6), abs=1e-3)
    assert float(law(1000)) == pytest.approx(0.95 - 0.9 * 1000**-0.6, abs=1e-4)


def test_forecast_of_a_clear_curve_is_trusted() -> None:
    rng = np.random.default_rng(3)
    sizes = SIZES * 4
    scores = [0.95 - 0.9 * n**-0.6 + rng.normal(0, 0.003) for n in sizes]
    found = forecast(sizes, scores, [50, 200], rounds=100)
    assert found.trusted, found.reasons
    for point, more in zip(found.points, (50, 200), strict=True):
        truth = 0.95 - 0.9 * (234 + more) ** -0.6
        assert point["reports"] == 234 + more
        assert point["f1"] == pytest.approx(truth, abs=0.005)
        assert point["low"] <= point["f1"] <= point["high"] <= 1
        assert point["gain"] == pytest.approx(truth - (0.95 - 0.9 * 234**-0.6), abs=0.005)
        assert point["gain_low"] <= point["gain"] <= point["gain_high"]


@pytest.mark.parametrize(
    ("sizes", "scores", "more", "reason"),
    [
        ([10, 20, 40, 80] * 2, [0.6, 0.7, 0.78, 0.83] * 2, [20], "only 4 sizes"),
        (SIZES, [0.5, 0.62, 0.7, 0.76, 0.8, 0.82], [50], "a size with one run only"),
        (SIZES * 2, [0.5, 0.8, 0.4, 0.9, 0.3, 0.8] * 2, [50], "fits badly"),
        (SIZES * 2, [0.2, 0.3, 0.4, 0.5, 0.6, 0.65] * 2, [50], "levels off"),
        (
            SIZES * 2,
            [0.95 - 0.9 * n**-0.6 for n in SIZES] * 2,
            [900],
            "1134 reports are more than twice",
        ),
    ],
)
def test_forecast_says_when_not_to_trust_it(
    sizes: list[int], scores: list[float], more: list[int], reason: str
) -> None:
    found = forecast(sizes, scores, more, rounds=40)
    assert not found.trusted
    assert any(reason in given for given in found.reasons), found.reasons


def test_curve_summary(files: Path) -> None:
    study = CurveConfig(**settings(files, sizes=[2, 4, 8, "all"], seeds=[1, 2], rounds=40))
    runs = plan_curve(study, Sources(files / "data"))
    right = {2: 50, 4: 65, 8: 74, 12: 77}
    results = [result(r, right[r.facts["size"]] + r.facts["seed"]) for r in runs]
    summary = summarise_curve(study, results)
    assert [(row["reports"], row["mean"]) for row in summary.rows] == [
        (2, 0.515),
        (4, 0.665),
        (8, 0.755),
        (12, 0.785),
    ]
    points = summary.numbers["forecast"]["points"]
    assert [point["reports"] for point in points] == [62, 212]
    assert any("do not trust" in line for line in summary.lines)
    few = summarise_curve(study, results[:4])
    assert few.numbers["forecast"]["trusted"] is False
    assert any("no forecast: 2 different sizes" in line for line in few.lines)


def test_seeds_summary(files: Path) -> None:
    study = SeedsConfig(**settings(files, seeds=[1, 2]))
    runs = KINDS["seeds"].plan(study, Sources(files))
    summary = summarise_seeds(study, [result(runs[0], 80), result(runs[1], 90)])
    assert summary.numbers["micro"] == describe([0.8, 0.9])
    assert summary.numbers["数值"]["mean"] == 0.85
    assert summary.numbers["best"] == "seed-2"


def test_sweep_table(files: Path) -> None:
    variants = {"wide": {"window": 126}, "slow": {"learning_rate": 1e-5}}
    study = SweepConfig(**settings(files, seeds=[1, 2], variants=variants))
    runs = plan_sweep(study, Sources(files))
    assert [r.name for r in runs] == [
        f"{variant}-seed-{seed}" for seed in (1, 2) for variant in ("base", "wide", "slow")
    ]
    assert [r.config.window for r in runs[:3]] == [62, 126, 62]
    assert runs[2].config.learning_rate == 1e-5
    right = dict(zip([r.name for r in runs], [80, 86, 60, 82, 90, 61], strict=True))
    results = [result(r, right[r.name]) for r in runs]
    rows = {row["variant"]: row for row in summarise_sweep(study, results).rows}
    assert (rows["base"]["mean"], rows["base"]["sd"]) == (0.81, 0.0141)
    assert "difference" not in rows["base"]
    # Differences 0.06 and 0.08: mean 0.07, half = 12.7062 * 0.01414 / sqrt(2) = 0.1271
    wide = rows["wide"]
    assert (wide["difference"], wide["seeds_low"], wide["seeds_high"]) == (0.07, -0.0571, 0.1971)
    assert (wide["reports_low"], wide["reports_high"]) == (0.07, 0.07)  # both reports the same
    assert rows["slow"]["difference"] == -0.205
    failed = [Result(r.run, "failed") if r.run.name == "wide-seed-2" else r for r in results]
    wide = summarise_sweep(study, failed).rows[1]
    assert (wide["runs"], wide["difference"], wide["seeds_low"]) == (1, 0.06, None)


# Search


@pytest.fixture
def by_rate(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """Runs whose F1 is highest at learning rate 3e-3; dropout 0.5 fails. Gives what was run."""
    seen: list[TrainConfig] = []

    def execute(
        runs: list[Run], study: StudyConfig, data: Sources, watch: Callable[..., bool] | None
    ) -> list[Result]:
        (run,) = runs
        seen.append(run.config)
        if run.config.dropout == 0.5:
            return [Result(run, "failed", error="out of memory")]
        away = abs(np.log10(run.config.learning_rate / 3e-3))
        return [result(run, int(9000 - 1000 * away), gold=10_000)]

    monkeypatch.setattr("training.studies.search.execute", execute)
    return seen


def search(files: Path, **more: Any) -> SearchConfig:
    space = {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "batch_windows": {"type": "int", "low": 2, "high": 8, "step": 2},
    }
    return SearchConfig.model_validate(
        settings(files, trials=4, prune=False, space=space, startup_trials=2) | more
    )


def test_search_goes_on_from_its_storage(files: Path, by_rate: list[TrainConfig]) -> None:
    first = run_study("search", search(files))
    assert len(by_rate) == len(first["summary"]["trials"]) == 4
    assert all(config.batch_windows in (2, 4, 6, 8) for config in by_rate)
    assert len({config.learning_rate for config in by_rate}) == 4
    run_study("search", search(files))
    assert len(by_rate) == 4
    record = run_study("search", search(files, trials=6))
    assert len(by_rate) == len(record["summary"]["trials"]) == 6
    best = record["summary"]["best"]
    assert best["f1"] == max(row["f1"] for row in record["summary"]["trials"])
    config = load_config(TrainConfig, files / "study" / "best.yaml")
    assert config.learning_rate == best["values"]["learning_rate"]
    assert config.batch_windows == best["values"]["batch_windows"]
    assert config.window == 62
    with pytest.raises(FormatError, match="choose another output"):
        run_study("search", search(files, changes={"epochs": 9}))


def test_search_repeats_a_trial_that_was_cut_off(files: Path, by_rate: list[TrainConfig]) -> None:
    run_study("search", search(files, trials=2))
    storage = f"sqlite:///{files / 'study' / 'optuna.db'}"
    held = optuna.load_study(study_name="search", storage=storage)
    trial = held.ask()
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    trial.suggest_int("batch_windows", 2, 8, step=2)
    run_study("search", search(files, trials=3))
    assert len(by_rate) == 3
    assert by_rate[-1].learning_rate == rate


def test_search_survives_failed_trials(files: Path, by_rate: list[TrainConfig]) -> None:
    space = {"dropout": {"type": "choice", "choices": [0.1, 0.5]}}
    record = run_study("search", search(files, trials=6, space=space))
    states = Counter(row["state"] for row in record["summary"]["trials"])
    assert set(states) == {"complete", "fail"}
    assert record["summary"]["best"]["values"] == {"dropout": 0.1}
    assert {row["error"] for row in record["runs"] if row["status"] == "failed"} == {
        "out of memory"
    }


def test_search_plan_checks_choices(files: Path) -> None:
    bad = {"dropout": {"type": "choice", "choices": [0.1, "much"]}}
    with pytest.raises(FormatError, match=r"space\.dropout: .*dropout: .*found 'much'"):
        plan_search(search(files, space=bad), Sources(files))
