"""The suites, each pinned to a version, and what they need beside it."""

from dataclasses import dataclass, field

from outcomes import Explanation


@dataclass(frozen=True)
class Suite:
    """The tests in a package's source distribution, which are run on its wheel.

    No distribution of rich has its tests: those of two packages that print by it stand for them.
    """

    package: str
    version: str
    tests: tuple[str, ...] = ("tests",)
    options: tuple[str, ...] = ()  # of pytest
    workers: int = 0  # of pytest-xdist; 0: without it
    taken_out: tuple[str, ...] = ("src",)  # of the distribution, so that what is installed is tested
    left_out: dict[str, str] = field(default_factory=dict)  # tests that are not run, and why

    @property
    def title(self) -> str:
        """Such as "attrs 26.1.0"."""
        return f"{self.package} {self.version}"


# For those that have none for pytest, which would go on to look for some in the folders above.
OWN_SETTINGS = ("-c", "pyproject.toml")

SUITES = (
    Suite("pluggy", "1.7.0", ("testing",)),
    Suite(
        "packaging",
        "26.3",
        left_out={
            "tests/test_version.py::TestVersion::test_comparison_true": "25,000 pairs of versions",
            "tests/test_version.py::TestVersion::test_comparison_false": "25,000 pairs of versions",
        },
    ),
    Suite("more-itertools", "11.2.1", options=OWN_SETTINGS, taken_out=("more_itertools",)),
    Suite("attrs", "26.1.0"),
    Suite("click", "8.5.1"),
    Suite("jinja2", "3.1.6"),
    Suite("rich-argparse", "1.8.0", taken_out=("rich_argparse",)),
    Suite(
        "typer",
        "0.29.2",
        taken_out=("typer",),
        left_out={
            "tests/test_tutorial": "a process for each test, ten minutes of them",
            "tests/test_completion": "installs completion for the shells of whoever runs it",
        },
    ),
    Suite(
        "networkx",
        "3.6.1",
        ("--pyargs", "networkx"),
        options=(*OWN_SETTINGS, "-W", "ignore::pytest.PytestRemovedIn10Warning"),
        workers=2,
        taken_out=("networkx",),
    ),
    Suite("sqlalchemy", "2.1.9", ("test/base", "test/sql", "test/engine"), workers=2, taken_out=()),
    Suite(
        "pytest",
        "9.2.0",
        ("testing",),
        workers=2,
        left_out={
            "testing/test_legacypath.py::test_cache_makedir": "asks for the cache plugin, which is off",
            "testing/test_assertrewrite.py::TestRewriteOnImport::test_moved_test_file_updates_code_filename": (
                "wants caches beside the sources, where no run of ours has them"
            ),
        },
    ),
)

EXPLAINED = (
    Explanation(
        "pytest",
        "TestPyCacheDir::test_sys_pycache_prefix_integration",
        "looks for stock's .pyc after an import; overlay files have names of their own",
    ),
)

SHORT = ("pluggy", "jinja2", "rich-argparse")

# All that is installed beside the packages themselves: what they need, and what their tests ask for.
NEEDS = """
annotated-doc==0.0.7 annotated-types==0.8.0 cloudpickle==3.1.2 coverage==7.17.3 elementpath==5.1.4 execnet==2.1.2
greenlet==3.5.6 hypothesis==6.170.15 idna==3.20 iniconfig==2.3.1 markdown-it-py==4.3.0 MarkupSafe==3.0.4 mdurl==0.1.2
mock==5.2.0 outcome==1.3.0.post0 pexpect==4.9.0 pretend==1.0.9 ptyprocess==0.7.0 pydantic==2.14.3 pydantic_core==2.50.4
Pygments==2.21.0 Pympler==1.1 pytest-xdist==3.8.0 rich==15.0.0 setuptools==84.2.1 shellingham==1.5.4 sniffio==1.3.1
sortedcontainers==2.4.0 tomli_w==1.2.0 trio==0.35.0 typing-inspection==0.4.5 typing_extensions==4.16.0 xmlschema==4.3.2
"""
# No version of these has wheels for all interpreters.
OLDER = {"3.11": ("numpy==2.4.6", "scipy==1.17.1")}
NEWER = ("numpy==2.5.5", "scipy==1.18.1")
