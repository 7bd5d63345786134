"""The workloads: programs that import and do a small real thing, with the output that shows it.

Each is run as a person would run it, by `python ARGUMENTS` in the folder of this file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Workload:
    """A program: the arguments of the interpreter, and what must come out of it.

    `prints` is the exact text, or a pattern that is found in it. `packages` are what it needs installed.
    `lazy_loader` says that one of them makes its own submodules lazy by that library.
    """

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    prints: str | re.Pattern
    lazy_loader: bool = False

    def right(self, output):
        """Whether the text is what must come out."""
        if isinstance(self.prints, str):
            return output == self.prints
        return bool(self.prints.search(output))


def _job(name, *arguments):
    return (f"jobs/{name}.py", *arguments)


WORKLOADS = (
    Workload(
        "rich: a table",
        ("rich",),
        _job("rich_table"),
        re.compile(r"\A +Squares +\n┏━+┳━+┓\n┃ n ┃ square ┃\n(.*\n){11}└───┴────────┘\n\Z"),
    ),
    Workload(
        "networkx: a path",
        ("networkx",),
        _job("networkx_paths"),
        re.compile(r"\A\[\(0, 0\), .*, \(11, 7\)\]\n22 True 0\.0256\d+\n\Z"),
    ),
    Workload(
        "sympy: expand",
        ("sympy",),
        _job("sympy_expand"),
        "x**5 + 10*x**4*y + 40*x**3*y**2 + 80*x**2*y**3 + 80*x*y**4 + 32*y**5\nx**4/4 + x**3/3\n",
    ),
    Workload("sqlalchemy: ORM", ("sqlalchemy",), _job("sqlalchemy_query"), "['Oulu', 'Turku']\n473\n"),
    Workload(
        "django: migrate, a view",
        ("django",),
        _job("django_view"),
        "200 {'users': ['edith', 'tove']}\n",
    ),
    Workload("openai: a chat", ("openai",), _job("openai_chat"), "Good morning. 5\n"),
    Workload("httpx: a GET", ("httpx",), _job("httpx_get"), "200 {'path': '/cities', 'query': {'people': '100'}}\n"),
    Workload(
        "fastapi: TestClient",
        ("fastapi", "httpx2"),
        _job("fastapi_get"),
        "{'name': 'Oulu', 'people': 210}\n422\n",
    ),
    Workload(
        "pandas: groupby",
        ("pandas",),
        _job("pandas_groupby"),
        "         sum  max\ncountry          \nfi       405  210\nse       184   94\n",
    ),
    Workload("matplotlib: a PNG", ("matplotlib",), _job("matplotlib_png"), "PNG [400, 300]\n"),
    Workload(
        "boto3: presigned URL",
        ("boto3",),
        _job("boto3_presigned"),
        re.compile(r"\Ahttps://bucket\.s3\.\S*amazonaws\.com/some/thing \[.*'X-Amz-Signature'.*\]\n\Z"),
    ),
    Workload(
        "pydantic: validate",
        ("pydantic",),
        _job("pydantic_validate"),
        "name='Oulu' people=210 founded=datetime.date(1605, 4, 8)\n1 greater_than\n",
    ),
    # The text as an argument: black keeps a cache of the files that it has seen.
    Workload(
        "black: a small file",
        ("black",),
        ("-m", "black", "--quiet", "--code", (HERE / "jobs" / "untidy.txt").read_text()),
        re.compile(r'\Afrom os import path as p\n\n\ndef total\((.*\n)+    names = \{"Turku": 195, "Oulu": 210, '),
    ),
    Workload("typer --help", ("typer",), ("-m", "typer", "--help"), re.compile(r"Run Typer scripts with completion")),
    Workload("click: a command", ("click",), _job("click_command", "--count", "2", "Tove"), "Hello, Tove.\n" * 2),
    Workload(
        "pip list",
        (),
        ("-m", "pip", "--disable-pip-version-check", "list"),
        re.compile(r"\APackage +Version *\n(.*\n)+pip +\d"),
    ),
    Workload("http.server --help", (), ("-m", "http.server", "--help"), re.compile(r"\Ausage: (.*\n)+.*bind to this")),
    Workload(
        "json.tool",
        (),
        ("-m", "json.tool", "--compact", "--sort-keys", "jobs/ledger.json"),
        '{"currency":"EUR","ledger":[{"name":"Oulu","people":210},{"name":"Turku","people":195}]}\n',
    ),
    Workload("python -c pass", (), ("-c", "pass"), ""),
    Workload("scikit-image: threshold", ("scikit-image",), _job("skimage_threshold"), "1 78\n", lazy_loader=True),
)
