"""The page on lenses has a row for every lens of the catalogue, and says which norm it uses."""

from __future__ import annotations

from tests.support.paths import ROOT
from workbench.readouts.catalogue import BUILT_IN

PAGE = ROOT / "docs" / "lenses.md"


def test_every_lens_has_its_row() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| readout | what is read | the final norm's scale | what comes out |")
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, _, norm, _ = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name.strip("`")] = norm
    assert set(rows) == {one.name for one in BUILT_IN if one.through or one.directed}
    assert all(rows.values())
