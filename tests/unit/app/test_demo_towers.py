"""The demo's judgement of its towers cannot pass on an excuse."""

import pytest

from demeter.app.demo.check import towers_case


def tower(name="Tower A", commodity="electricity", loss="1.20", excluded=()):
    return {
        "building": name,
        "commodity": commodity,
        "loss_percent": loss,
        "verdict": "as measured",
        "excluded": list(excluded),
    }


def others():
    return [tower(name, commodity) for name in ("B", "C") for commodity in ("electricity", "water")] + [
        tower("A", "water")
    ]


UNITS = [
    {"unit": "C-0302", "commodity": "electricity", "flag": {"code": "read_failure"}},
    {"unit": "A-1204", "commodity": "electricity", "flag": {"code": "normal"}},
]


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (tower(), True),
        (tower(loss="5.00"), False),
        (tower(loss="-0.10"), False),
        (tower(loss=None), False),
        (tower(loss="7.00", excluded=["C-0302: no complete day"]), True),
        (tower(loss="60.00", excluded=["C-0302: no complete day"]), False),
        (tower(loss=None, excluded=["C-0302: no complete day"]), False),
        (tower(loss="2.00", excluded=["A-1204: no complete day"]), False),  # its row says all is well
        (tower(commodity="water", loss="2.00", excluded=["C-0302: no complete day"]), False),
    ],
)
def test_a_tower_holds_by_its_loss_and_by_exclusions_that_the_table_bears_out(one, holds):
    assert towers_case([one, *others()], UNITS)["holds"] is holds


def test_a_tower_that_is_not_told_of_does_not_hold():
    assert towers_case(others(), UNITS)["holds"] is False
