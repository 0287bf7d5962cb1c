"""`launch.py --mode=report` from finished folders to tables, pages and the page of results."""

import subprocess
import sys


def report(repository, *arguments):
    command = [sys.executable, "launch.py", "--mode=report", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_reports_and_page_of_results(repository, write_workdir, tmp_path):
    config = {"student.auxiliary": "shearing", "teacher.steps": 539}
    for name, command in {
        "a": "python launch.py --mode=sweep --config=configs/mnist.py:table3,faithful --workdir=a",
        "b": "python launch.py --mode=sweep",
    }.items():
        write_workdir(f"{name}/shearing", config=config, command=command)
    a, b = tmp_path / "a", tmp_path / "b"

    done = report(repository, f"--workdir={a},{b}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OE-SDN with shearing") == 4  # heading and notes of two tables
    assert (a / "report.html").is_file()
    assert (b / "report.html").is_file()

    done = report(repository, f"--workdir={a / 'shearing'}")
    assert done.returncode == 0, done.stderr
    assert f"report: {a / 'shearing' / 'report.html'}" in done.stdout

    record = tmp_path / "a.jsonl"
    done = report(repository, f"--workdir={a}", f"--output={record}")
    assert (done.stdout, done.returncode) == (f"record: {record}\n", 0)
    done = report(repository, f"--workdir={record}")
    assert "OE-SDN with shearing" in done.stdout

    page = tmp_path / "results.md"
    done = report(repository, f"--workdir={record}", f"--output={page}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"results: {page}\n"
    assert "teacher.steps 539 instead of 540" in page.read_text()

    comparison = tmp_path / "cmp.html"
    done = report(repository, f"--workdir={a},{record}", f"--output={comparison}")
    assert (done.stdout, done.returncode) == (f"comparison: {comparison}\n", 0)
    assert "a and a.jsonl compared" in comparison.read_text()

    done = report(repository, f"--workdir={a}", f"--output={comparison}")
    assert done.returncode == 2
    assert done.stderr == f"error: --output={comparison}: a page compares two folders or more\n"

    done = report(repository, f"--workdir={b}", f"--output={page}")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --workdir={b}: its results do not say which config file made them\n"
    )


def test_methods_of_a_sweep_are_compared_with_their_own_defaults(
    repository, write_industrial, tmp_path
):
    command = "python launch.py --mode=sweep --config=configs/mvtec_ad.py:aesc_table --workdir=a"
    for method in ("aesc_residual", "ae_l2"):
        config = {"autoencoder.steps": 8, "data.size": 64, "data.patch": 64}
        write_industrial(f"a/{method}", method, config=config, command=command)
    page = tmp_path / "results.md"
    done = report(repository, f"--workdir={tmp_path / 'a'}", f"--output={page}")
    assert done.returncode == 0, done.stderr
    (settings,) = [line for line in page.read_text().splitlines() if line.startswith("- settings")]
    assert settings.split("; ") == [
        "- settings: data.size 64 instead of 256",
        "AE (L2): autoencoder.steps 8 instead of 15,600, data.patch 64 instead of 256",
        "AESc (residual): autoencoder.steps 8 instead of 31,250, data.patch 64 instead of 0",
    ]
