"""Runs become the fewest trainings in the fewest programs."""

import pytest
from sweep_helpers import TINY, plan_of, planned, write

from adjax.config.identity import members_of
from adjax.errors import UserError
from adjax.sweeps import plan
from adjax.sweeps.describe import describe_plan
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.plan import Training, check_runs, estimate_stage, method_of, shard_of
from adjax.sweeps.store import parse_shard
from adjax.training.estimates import Estimate
from configs import cifar10, mnist


def test_runs_get_their_values_and_leave_the_config_alone(tmp_path):
    config = mnist.get_config("oe_sdn,smoke")
    path = write(tmp_path, [("a", {"seed": 3}), ("b", {"student.loss_weight": 0.1})])
    a, b = expand(path, "", config)
    assert (a.name, a.config.seed, a.config.student.loss_weight) == ("a", 3, 0.5)
    assert (b.name, b.config.seed, b.config.student.loss_weight) == ("b", 0, 0.1)
    assert config.seed == 0


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([("a", {"sed": 3})], "run 'a' of the sweep"),
        ([("a", {"seed": "three"})], "run 'a' of the sweep"),
        ([("a", {}), ("a", {})], "two runs named 'a'"),
        ([("../a", {})], "its name must be that of a folder"),
        ([("/a", {})], "its name must be that of a folder"),
        ([(".stages", {})], "its name must be that of a folder"),
        ([("a" * 256, {})], "its name must be that of a folder"),
        ([("a\0", {})], "its name must be that of a folder"),
        ([("\ud800", {})], "its name must be that of a folder"),
        ([(3, {})], "its name must be that of a folder"),
        ([("a", {}), ("a/b/c", {})], "run 'a/b/c' of the sweep lies in the folder of run 'a'"),
        ([], "has no runs for the argument 'x'"),
    ],
)
def test_bad_sweeps_are_refused(tmp_path, runs, says):
    with pytest.raises(UserError, match=says):
        expand(write(tmp_path, runs), "x", mnist.get_config("ae,smoke"))


def test_axes_of_different_length_are_refused(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(
        "from adjax import grid\n"
        "def sweep(add, arg):\n"
        "    for p in grid.zipped(grid.axis('seed', (0, 1)), grid.axis('select', ('last',))):\n"
        "        add(grid.name(p), p)\n"
    )
    with pytest.raises(UserError, match="its sweep cannot be made"):
        expand(str(path), "", mnist.get_config("ae"))


def test_flag_that_a_run_would_overrule_is_refused(tmp_path):
    config = mnist.get_config("ae,smoke")
    config.seed = 2
    path = write(tmp_path, [("a", {"seed": 2}), ("b", {"seed": 3})])
    with pytest.raises(UserError, match=r"--config.seed=2: run 'b' of the sweep is the one with 3"):
        expand(path, "", config, {"seed": 2, "precision": "float32"})
    assert len(expand(path, "", config, {"precision": "float32"})) == 2


def test_what_a_method_has_of_its_own_a_flag_may_overrule(repository):
    path = str(repository / "configs" / "cifar10.py")
    argument = "table1,classes=1,methods=anogan+deep_svdd"
    config = cifar10.get_config(argument)
    config.anogan.steps = 7
    anogan, svdd = expand(path, argument, config, {"anogan.steps": 7})
    assert (anogan.config.anogan.steps, anogan.config.anogan.widths) == (7, (128, 64, 32))
    assert svdd.config.svdd_autoencoder.milestones == (850,)
    with pytest.raises(UserError, match=r"--config.method=ae: run 'anogan/class1/seed0' of "):
        expand(path, argument, config, {"method": "ae"})


def test_file_without_a_sweep_is_refused(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("from configs.mnist import get_config\n")
    with pytest.raises(UserError, match="declares no sweep"):
        expand(str(path), "", mnist.get_config("ae"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"teacher.steps": 0}, "run 'b' of the sweep: config.teacher.steps=0: must be at least 1"),
        ({"method": "gan"}, "run 'b' of the sweep: config.method='gan': choose one of"),
        ({"data.normal_class": 12}, "run 'b' of the sweep: .*12 is not a class"),
    ],
)
def test_bad_run_is_found_before_any_work(tmp_path, values, says):
    with pytest.raises(UserError, match=says):
        check_runs(planned(tmp_path, [("a", {}), ("b", values)]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.py"]


def test_demo_is_the_three_methods_of_the_table(repository):
    path = str(repository / "configs" / "mnist.py")
    runs = expand(path, "demo", mnist.get_config("demo"))
    assert [run.config.method for run in runs] == ["ae", "sdn_fast", "oe_sdn_fast"]


def table(classes=range(3), **values):
    methods = ("ae", "sdn", "oe_sdn")
    return [
        (f"{m}/{c}", {"method": m, "data.normal_class": c, **values})
        for m in methods
        for c in classes
    ]


def test_table_trains_each_teacher_once_and_each_stage_in_one_program(tmp_path):
    runs = planned(tmp_path, table())
    teachers, sdn, oe_sdn, *evaluations = plan_of(runs, tmp_path)
    assert [(task.index, len(task.hashes)) for task in (teachers, sdn, oe_sdn)] == [
        (0, 3),
        (1, 3),
        (1, 3),
    ]
    assert teachers.owners == tuple(str(tmp_path / "ae" / str(c)) for c in range(3))
    assert sdn.earlier == oe_sdn.earlier == (teachers.hashes,)
    assert (teachers.after, sdn.after, oe_sdn.after) == ((), (0,), (0,))
    assert [[run.config.method for run in e.runs] for e in evaluations] == [
        ["ae"] * 3,
        ["sdn"] * 3,
        ["oe_sdn"] * 3,
    ]
    assert [e.after for e in evaluations] == [(0,), (1,), (2,)]


def test_dynamic_values_join_a_population_and_static_ones_divide_it(tmp_path):
    runs = [
        ("a", {"student.loss_weight": 0.1}),
        ("b", {"student.loss_weight": 0.2, "student.learning_rate": 0.1}),
        ("c", {"seed": 1}),
        ("d", {"student.features": 8}),
        ("e", {"student.auxiliary": "shearing"}),
    ]
    tasks = plan_of(planned(tmp_path, runs), tmp_path)
    trainings = [task for task in tasks if isinstance(task, Training)]
    assert [(task.index, len(task.hashes)) for task in trainings] == [
        (0, 2),
        (1, 3),
        (1, 1),
        (1, 1),
    ]


def test_populations_keep_to_cap_memory_and_workers(tmp_path):
    runs = planned(tmp_path, [(str(seed), {"seed": seed, "method": "ae"}) for seed in range(7)])

    def sizes(**resources):
        tasks = plan_of(runs, tmp_path, **resources)
        return [len(task.hashes) for task in tasks if isinstance(task, Training)]

    assert sizes() == [7]
    assert sizes(max_population=3) == [2, 2, 3]
    assert sizes(workers=2) == [3, 4]
    assert sizes(workers=9) == [1] * 7
    assert sizes(memory=0) == [1] * 7
    for run in runs:
        run.config.mesh.update(member=0, data=0)
    assert sizes(memory=0, devices=2) == [2, 2, 2, 1]
    assert sizes(devices=2, max_population=5) == [4, 3]


def test_fixed_member_mesh_of_a_small_population_is_made_to_divide_it(tmp_path):
    runs = planned(
        tmp_path,
        [(str(seed), {"seed": seed, "method": "ae"}) for seed in range(6)],
        **{"mesh.member": 4},
    )
    tasks = plan_of(runs, tmp_path, max_population=4)
    assert [(len(t.hashes), t.config.mesh.member) for t in tasks[:2]] == [(4, 4), (2, 2)]


def test_members_of_a_run_are_members_of_the_plan(tmp_path):
    members = ({"seed": 0}, {"seed": 1})
    runs = [("two", {"members": members, "method": "ae"}), ("one", {"seed": 1, "method": "ae"})]
    training, evaluation = plan_of(planned(tmp_path, runs), tmp_path)[:2]
    assert len(training.hashes) == 2
    assert training.owners == (str(tmp_path / "two"),) * 2
    assert [run.name for run in evaluation.runs] == ["two"]


def test_shards_divide_the_runs_and_keep_teachers_together(tmp_path):
    runs = planned(tmp_path, table(range(4)))
    shards = [shard_of(runs, (i, 3)) for i in range(3)]
    assert sorted(run.name for shard in shards for run in shard) == sorted(run.name for run in runs)
    assert [len(shard) for shard in shards] == [4, 4, 4]
    assert [run.name for run in shards[0]] == ["ae/0", "sdn/0", "oe_sdn/0", "ae/1"]
    with pytest.raises(UserError, match="the sweep has 12 runs only"):
        shard_of(runs, (0, 13))


def test_every_shard_of_a_table_of_many_methods_is_planned(repository, tmp_path):
    # A shard may begin with a student's run, whose teacher trains beside that of a run of AE.
    path = str(repository / "configs" / "mnist.py")
    argument = "table1,methods=ae+sdn+oe_sdn,classes=0+1"
    runs = with_cache(expand(path, argument, mnist.get_config(argument)), tmp_path)
    for number in range(4):
        trainings = [
            task
            for task in plan_of(shard_of(runs, (number, 4)), tmp_path)
            if isinstance(task, Training)
        ]
        for task in trainings:
            assert len(members_of(task.settings, method_of(task.settings).dynamic)) == len(
                task.hashes
            )


@pytest.mark.parametrize("text", ["1", "2/2", "x/2", "-1/2", "1/0"])
def test_bad_shards_are_refused(text):
    with pytest.raises(UserError, match=r"--shard=.*give i/n"):
        parse_shard(text)


def test_description_counts_members_programs_and_what_is_done(tmp_path):
    runs = planned(tmp_path, table())
    text = describe_plan(plan_of(runs, tmp_path, max_population=2), runs, tmp_path)
    head, work, needs = text.split("\n\n")
    columns, *rows = work.splitlines()
    assert head.startswith("9 runs, 0 of them finished; ")
    assert columns.split() == [
        *("group", "members", "trained", "populations", "programs", "TFLOP", "to", "do")
    ]
    assert [row.split("  ")[0] for row in rows] == [
        "teacher on mnist",
        "student of sdn on mnist",
        "student of oe_sdn on mnist, rotation",
    ]
    assert rows[0].split()[3:-1] == ["3", "0", "2", "of", "1", "or", "2", "2"]
    _, *rows = needs.splitlines()
    assert rows[0].split()[3] == str(runs[0].config.teacher.steps)
    teacher = estimate_stage(runs[0].config, 0)
    assert rows[0].split()[-1] == f"{teacher.saved / 1e6:.2f}"


def test_smallest_population_is_one():
    estimate = Estimate(kept=100, work=1000, flops=1.0)
    assert estimate.largest_population(50, "map") == 1
    assert estimate.largest_population(2000, "map") == 10
    assert estimate.largest_population(3300, "vmap") == 3


def test_tiny_config_has_the_keys_it_sets():
    config = mnist.get_config("oe_sdn,smoke")
    config.update_from_flattened_dict(TINY)
    assert config.mesh.member == 1


def test_a_method_is_built_once_for_runs_that_share_it(tmp_path, monkeypatch):
    built, build = [], plan.build_method
    monkeypatch.setattr(plan, "build_method", lambda own: built.append(own) or build(own))
    monkeypatch.setattr(plan, "_METHODS", {})
    monkeypatch.setattr(plan, "_METHODS_OF_RUNS", {})
    runs = planned(tmp_path, table(range(10)))
    plan_of(runs, tmp_path)
    assert len(built) == 3
    others = [("fast", {"teacher.learning_rate": 0.01}), ("slow", {"teacher.learning_rate": 0.1})]
    methods = [method_of(run.settings) for run in planned(tmp_path, others)]
    assert len(built) == 5
    assert methods[0] is methods[1] is method_of(runs[-1].settings)  # dynamic values differ alone


def test_runs_share_the_sections_in_which_they_are_equal(tmp_path):
    a, b = planned(tmp_path, [("a", {"seed": 1}), ("b", {"seed": 2, "teacher.steps": 9})])
    assert a.settings.student is b.settings.student
    assert a.settings.data is b.settings.data
    assert (a.settings.teacher.steps, b.settings.teacher.steps) == (8, 9)
    assert (a.settings.seed, b.settings.seed) == (1, 2)
