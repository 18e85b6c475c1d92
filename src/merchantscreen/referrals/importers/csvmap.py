"""Reads a CSV file whose columns are named by somebody else, with a mapping of columns, constants and values.

    referrals:
      columns: {referral_id: CaseNo, domain: Host, received_at: Received}     # our field <- their column
      constants: {classification: baseline, le_hold: "false"}                 # the same for every row
      values: {commerciality: {Commercial: commercial, Not Determined: not_determined}}
      ignore: [Analyst, Remarks]                                              # columns that are left behind

Rules kept here:
* our fields are the columns of docs/referrals.md; a column with our name needs no entry;
* a column that must not come in refuses the file by its name, unless the mapping lists it
  under `ignore`; its cells are then not looked at;
* a column nobody said anything about refuses the file;
* a value outside a value map stays as it is and is judged like any other: there is no
  value to fall back to;
* a row without an event is a submission; a confirmation needs the caller's word.

Lists are split at `;`, as in our own CSV. What the values may be is in `events`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from merchantscreen.errors import InputError, Problem
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.intake.problems import nearest
from merchantscreen.intake.strict import RecordError, split_record
from merchantscreen.policy import yamlfiles, yamltree
from merchantscreen.referrals.events import Issue, is_forbidden, shown_name
from merchantscreen.referrals.importers import strictjson
from merchantscreen.referrals.importers.model import Draft, Imported, NoteKind, Options, Tally
from merchantscreen.referrals.importers.problems import PROBLEMS
from merchantscreen.referrals.reading import CSV_COLUMNS, MAX_LINE_BYTES, event_fields, issue_in_columns

_LISTS: Final = frozenset({"payment_methods", "forwarded_to", "redirects_to", "shares_payment_page_with"})
_NEEDED: Final = ("referral_id", "issued_at")
_SECTION: Final = "referrals"
_PARTS: Final = ("columns", "constants", "values", "ignore")


def read_csv(data: bytes, file: str, options: Options) -> Imported:
    """Read a CSV file through the mapping of the options; without one, its columns must be ours.

    Raises:
        InputError: A header that does not fit the mapping, or a file that cannot be used as a whole.
    """
    first, *rest = strictjson.decode(data, file).split("\n")
    lines = [(number, line.removesuffix("\r")) for number, line in enumerate(rest, start=2)]
    if lines and not lines[-1][1]:
        lines.pop()  # what follows the last line break is no line
    header = _header(first.removesuffix("\r"), file)
    problems = list(_header_problems(header, options.mapping, file))
    if problems:
        raise strictjson.refused_for(tuple(problems))
    strictjson.check_count(len(lines), file)
    tally = Tally(file, options)
    tally.notes.update((NoteKind.COLUMN_DROPPED, shown_name(name)) for name in header if name in options.mapping.ignore)
    sources = _sources(header, options.mapping)
    for number, line in lines:
        _take(tally, number, line, len(header), sources)
    return tally.imported()


# --------------------------------------------------------------------------- header


def _header(line: str, file: str) -> list[str]:
    try:
        header = split_record(line) if line and len(line) <= MAX_LINE_BYTES else []
    except RecordError:
        header = []
    if not header:
        raise strictjson.refuse(file, "MS-IMP-045", 1)
    return header


def _header_problems(header: Sequence[str], mapping: RoleMapping, file: str) -> Iterator[Problem]:
    """Say everything that is wrong with the columns of a file."""
    mapped = set(mapping.columns.values())
    own = set(CSV_COLUMNS) - set(mapping.columns) - set(mapping.constants)
    for name, count in Counter(header).items():
        if count > 1:
            yield PROBLEMS["MS-IMP-043"].at(file, 1, shown_name(name))
        if name in mapping.ignore:
            continue
        if is_forbidden(name):
            yield PROBLEMS["MS-IMP-040"].at(file, 1, shown_name(name))
        elif name not in mapped | own:
            yield PROBLEMS["MS-IMP-041"].at(file, 1, shown_name(name))
    for name in sorted(mapped - set(header)):
        yield PROBLEMS["MS-IMP-042"].at(file, 1, shown_name(name))
    for name in sorted(set(_NEEDED) - set(_sources(header, mapping)) - set(mapping.constants)):
        yield PROBLEMS["MS-IMP-042"].at(file, 1, name)


def _sources(header: Sequence[str], mapping: RoleMapping) -> dict[str, int]:
    """Return the position of the column that fills each of our fields."""
    filled = set(mapping.columns) | set(mapping.constants)
    spare = set(header) - set(mapping.columns.values()) - set(mapping.ignore)
    columns = {name: name for name in CSV_COLUMNS if name in spare and name not in filled} | dict(mapping.columns)
    return {ours: header.index(theirs) for ours, theirs in columns.items() if theirs in header}


# --------------------------------------------------------------------------- rows


def _take(tally: Tally, number: int, line: str, width: int, sources: Mapping[str, int]) -> None:
    draft = Draft(number)
    cells: dict[str, str] = {}
    fields = _fields(line, width, draft)
    if fields is not None:
        mapping = tally.options.mapping
        cells = {ours: _translated(ours, fields[at], mapping) for ours, at in sources.items() if fields[at]}
        cells |= dict(mapping.constants)
        draft.fields = event_fields(cells)
    tally.add([draft], lambda issue: issue_in_columns(issue, cells))


def _fields(line: str, width: int, draft: Draft) -> list[str] | None:
    if len(line.encode()) > MAX_LINE_BYTES:
        draft.refuse("MS-REF-010")
        return None
    try:
        fields = split_record(line) if line else []
    except RecordError as error:
        draft.refuse(error.code)
        return None
    if len(fields) == width:
        return fields
    code = "MS-CSV-010" if not fields else "MS-CSV-012" if len(fields) < width else "MS-CSV-013"
    draft.issues.append(Issue(code, None, f"{len(fields)} fields", f"{width} fields"))
    return None


def _translated(ours: str, text: str, mapping: RoleMapping) -> str:
    """Write a cell in our words; what the value map does not know stays as it is."""
    words = mapping.values.get(ours)
    if words is None:
        return text
    if ours not in _LISTS:
        return words.get(text, text)
    parts = (part.strip(" ") for part in text.split(";"))
    return ";".join(words.get(part, part) for part in parts)


# --------------------------------------------------------------------------- the mapping file


def load_mapping(data: bytes, file: str) -> RoleMapping:
    """Read a mapping file: strict YAML with the one section `referrals`.

    Raises:
        InputError: It cannot be used; all its problems are named with their lines.
    """
    root, faults = yamlfiles.read_yaml(file, data)
    problems = [INTAKE_PROBLEMS["MS-MAP-001"].at(file, fault.line, found=fault.found) for fault in faults]
    if root is None or problems:
        raise InputError("the mapping file cannot be used", tuple(problems))
    reader = _MappingReader(file, problems)
    mapping = reader.mapping(root)
    if problems:
        raise InputError("the mapping file cannot be used", tuple(problems))
    return mapping


class _MappingReader:
    """Walks the tree of a mapping file and collects what is wrong with it."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def mapping(self, root: yamltree.Mapping) -> RoleMapping:
        """Read the section for referrals."""
        section = dict(self._entries(root, (_SECTION,), "MS-MAP-004")).get(_SECTION)
        parts = dict(self._entries(section, _PARTS, "MS-MAP-004"))
        columns, constants = self._texts(parts.get("columns")), self._texts(parts.get("constants"))
        values = {name: self._texts(node, None) for name, node in self._entries(parts.get("values"), CSV_COLUMNS)}
        ignore = tuple(self._list(parts.get("ignore")))
        for name in sorted(set(columns) & set(constants)):
            self._note("MS-MAP-007", parts["constants"], name)
        for name in sorted(set(columns.values()) & set(ignore)):
            self._note("MS-MAP-008", parts["ignore"], shown_name(name))
        return RoleMapping(columns, constants, values, ignore)

    def _entries(
        self, node: yamltree.Node | None, known: Sequence[str] | None, code: str = "MS-MAP-005"
    ) -> Iterator[tuple[str, yamltree.Node]]:
        if not isinstance(node, yamltree.Mapping):
            if node is not None:
                self._note("MS-MAP-006", node)
            return
        for name, inner in node.entries.items():
            if known is None or name in known:
                yield name, inner
            else:
                guess = nearest(name, known)
                expected = f"perhaps {guess}" if guess else f"one of {', '.join(known)}"
                line = node.key_places[name].line
                self._problems.append(INTAKE_PROBLEMS[code].at(self._file, line, shown_name(name), expected=expected))

    def _texts(self, node: yamltree.Node | None, known: Sequence[str] | None = CSV_COLUMNS) -> dict[str, str]:
        texts = {}
        for name, inner in self._entries(node, known):
            if isinstance(inner, yamltree.Scalar) and inner.text:
                texts[name] = inner.text
            else:
                self._note("MS-MAP-006", inner, shown_name(name))
        return texts

    def _list(self, node: yamltree.Node | None) -> Iterator[str]:
        items: Sequence[Any] = node.items if isinstance(node, yamltree.Listing) else []
        if node is not None and not isinstance(node, yamltree.Listing):
            self._note("MS-MAP-006", node)
        for item in items:
            if isinstance(item, yamltree.Scalar) and item.text:
                yield item.text
            else:
                self._note("MS-MAP-006", item)

    def _note(self, code: str, node: yamltree.Node, name: str | None = None) -> None:
        self._problems.append(INTAKE_PROBLEMS[code].at(self._file, node.place.line, name))
