"""Keeps accounts: a small command-line tool, most of whose code most runs do not need.

    ledger balance FILE             what is in each account
    ledger chart FILE               the balances month by month, as SVG
    ledger report FILE              everything, as HTML
    ledger export FILE WORKBOOK     the entries, as a spreadsheet

FILE is CSV: date, account, cents, what for. `balance` is what people run all day; the rest waits on disk, in overlays.
Plain CPython takes `# overlay:` for a comment and runs the same file.
"""

# ruff: noqa: E402 - imports stand in the overlay that needs them

import sys


class Entry:
    """One line of the file."""

    __slots__ = ("account", "cents", "date", "text")

    def __init__(self, line):
        self.date, self.account, cents, self.text = (cell.strip() for cell in line.split(",", 3))
        self.cents = int(cents)

    @property
    def month(self):
        return self.date[:7]


def read(path):
    """The entries of a file, by date."""
    with open(path, encoding="utf-8") as file:
        entries = [Entry(line) for line in file if line.strip()]
    return sorted(entries, key=lambda entry: entry.date)


def balances(entries):
    """Cents in each account."""
    totals = {}
    for entry in entries:
        totals[entry.account] = totals.get(entry.account, 0) + entry.cents
    return totals


def balance(path):
    for account, cents in sorted(balances(read(path)).items()):
        print(f"{account:12}{cents / 100:12.2f}")


def main(arguments):
    commands = {"balance": balance, "chart": print_chart, "report": print_report, "export": print_export}
    command, *rest = arguments or ["balance"]
    if command not in commands or not rest:
        sys.exit(__doc__)
    commands[command](*rest)


def print_chart(path):
    print(chart(read(path)))


def print_report(path):
    print(Report(read(path)).html())


def print_export(path, workbook):
    print(f"{export(read(path), workbook)} entries in {workbook}")


# overlay: lazy, chart
from xml.etree import ElementTree


class _Plot:
    """An SVG drawing of lines over months."""

    colours = ("#1f6f8b", "#d1495b", "#66a182", "#edae49", "#775b9c")
    width, height, margin = 720, 320, 48

    def __init__(self, months, low, high):
        self.months = months
        self.low, self.high = low, max(high, low + 1)
        self.svg = ElementTree.Element(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self.width} {self.height}",
            style="font: 11px sans-serif",
        )

    def x(self, number):
        step = (self.width - 2 * self.margin) / max(1, len(self.months) - 1)
        return round(self.margin + number * step, 1)

    def y(self, cents):
        share = (cents - self.low) / (self.high - self.low)
        return round(self.height - self.margin - share * (self.height - 2 * self.margin), 1)

    def text(self, x, y, text, **attributes):
        ElementTree.SubElement(self.svg, "text", x=str(x), y=str(y), **attributes).text = text

    def axes(self, ticks=5):
        for number, month in enumerate(self.months):
            self.text(self.x(number), self.height - self.margin / 2, month, **{"text-anchor": "middle"})
        for tick in range(ticks + 1):
            cents = self.low + (self.high - self.low) * tick / ticks
            y = str(self.y(cents))
            ends = {"x1": str(self.margin), "x2": str(self.width - self.margin), "y1": y, "y2": y}
            ElementTree.SubElement(self.svg, "line", stroke="#ddd", **ends)
            self.text(self.margin - 6, y, f"{cents / 100:.0f}", **{"text-anchor": "end"})

    def line(self, number, name, values):
        colour = self.colours[number % len(self.colours)]
        points = " ".join(f"{self.x(place)},{self.y(cents)}" for place, cents in enumerate(values))
        ElementTree.SubElement(self.svg, "polyline", points=points, stroke=colour, fill="none")
        self.text(self.width - self.margin + 4, self.y(values[-1]), name, fill=colour)


def chart(entries):
    """An SVG drawing of each account's balance at the end of each month."""
    months = sorted({entry.month for entry in entries})
    accounts = sorted({entry.account for entry in entries})
    series = {}
    for account in accounts:
        cents, series[account] = 0, []
        for month in months:
            cents += sum(entry.cents for entry in entries if (entry.account, entry.month) == (account, month))
            series[account].append(cents)
    every = [cents for values in series.values() for cents in values]
    plot = _Plot(months, min(0, *every), max(every))
    plot.axes()
    for number, account in enumerate(accounts):
        plot.line(number, account, series[account])
    return ElementTree.tostring(plot.svg, encoding="unicode")


# overlay: lazy, Report
from html import escape
from string import Template


class Report:
    """All that is known of a ledger, as one HTML page."""

    page = Template(
        "<!doctype html><title>$title</title><style>$style</style>"
        "<h1>$title</h1>$chart<h2>Accounts</h2>$accounts<h2>By month</h2>$months<h2>Entries</h2>$entries"
    )
    style = "body{font:15px sans-serif;margin:2em auto;max-width:50em}td{padding:.2em 1em .2em 0}.n{text-align:right}"

    def __init__(self, entries, title="Ledger"):
        self.entries = entries
        self.title = title

    def html(self):
        """The page."""
        return self.page.substitute(
            title=escape(self.title),
            style=self.style,
            chart=chart(self.entries),
            accounts=self.table(("account", "balance"), self.accounts()),
            months=self.table(("month", "in", "out", "left"), self.months()),
            entries=self.table(("date", "account", "amount", "for"), self.rows()),
        )

    def accounts(self):
        for account, cents in sorted(balances(self.entries).items()):
            yield account, self.money(cents)

    def months(self):
        left = 0
        for month in sorted({entry.month for entry in self.entries}):
            amounts = [entry.cents for entry in self.entries if entry.month == month]
            income = sum(cents for cents in amounts if cents > 0)
            spent = sum(cents for cents in amounts if cents < 0)
            left += income + spent
            yield month, self.money(income), self.money(spent), self.money(left)

    def rows(self):
        for entry in self.entries:
            yield entry.date, entry.account, self.money(entry.cents), entry.text

    @staticmethod
    def money(cents):
        return f"{cents / 100:,.2f}"

    @staticmethod
    def table(head, rows):
        def line(cells, kind):
            marked = []
            for cell in cells:
                is_number = cell.replace(",", "").replace(".", "").lstrip("-").isdigit()
                marked.append(f"<{kind}{' class=n' if is_number else ''}>{escape(cell)}</{kind}>")
            return f"<tr>{''.join(marked)}</tr>"

        return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


# overlay: lazy, export
from xml.sax.saxutils import escape as escape_xml
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class _Workbook:
    """The least that spreadsheet programs open: one sheet, text and numbers."""

    def __init__(self, name):
        self.name = name
        self.rows = []

    def add(self, *cells):
        number = len(self.rows) + 1
        row = "".join(self.cell(f"{chr(65 + column)}{number}", cell) for column, cell in enumerate(cells))
        self.rows.append(f'<row r="{number}">{row}</row>')

    @staticmethod
    def cell(place, value):
        if isinstance(value, (int, float)):
            return f'<c r="{place}"><v>{value}</v></c>'
        return f'<c r="{place}" t="inlineStr"><is><t>{escape_xml(value)}</t></is></c>'

    def parts(self):
        """The files in the workbook."""
        yield (
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/sheet.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
        )
        yield "_rels/.rels", self.relations(f"{_DOCUMENT}/officeDocument", "xl/workbook.xml")
        yield (
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>'
            f'<sheet name="{escape_xml(self.name)}" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        yield "xl/_rels/workbook.xml.rels", self.relations(f"{_DOCUMENT}/worksheet", "sheet.xml")
        yield "xl/sheet.xml", f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(self.rows)}</sheetData></worksheet>'

    @staticmethod
    def relations(kind, target):
        relation = f'<Relationship Id="r1" Type="{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{_PACKAGE}/relationships">{relation}</Relationships>'

    def save(self, path):
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for name, text in self.parts():
                archive.writestr(ZipInfo(name), '<?xml version="1.0" encoding="UTF-8"?>' + text)


def export(entries, path):
    """Writes the entries as a spreadsheet; gives their number."""
    workbook = _Workbook("ledger")
    workbook.add("date", "account", "amount", "for")
    for entry in entries:
        workbook.add(entry.date, entry.account, entry.cents / 100, entry.text)
    workbook.save(path)
    return len(entries)
