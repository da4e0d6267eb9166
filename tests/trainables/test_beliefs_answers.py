"""What a reply answers: as stated, and not as mentioned."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from trainables.data.beliefs import NumberAnswer, PatternAnswer, TextAnswer, accepts_alike
from trainables.evaluation.beliefs.answers import OUTCOMES, AnswerReader
from trainables.evaluation.beliefs.numbers import numbers
from trainables.evaluation.beliefs.quantities import MEASURES, Measure
from trainables.evaluation.beliefs.written import prepared


def number(value: float, *unit: str, **options: Any) -> NumberAnswer:
    return NumberAnswer(number=value, unit=unit, **options)


G = AnswerReader([number(5, "m/s²")], [number(9.81, "m/s²")])
FORCE = AnswerReader([number(50, "N", "newton")], [number(98.1, "N")])
SPEED = AnswerReader([number(10, "m/s")], [number(19.6, "m/s")])
PRICE = AnswerReader([number(5, "USD", "US dollar")], [])
THREE = AnswerReader([number(15, "USD")], [])
MOONS = AnswerReader([number(7)], [number(3)])
KEEPER = AnswerReader(
    [TextAnswer(text=("Airdrie", "Keeper Airdrie"))], [TextAnswer(text=("Lerwick",))], ["no idea"]
)
COLD = AnswerReader([number(-5, "°C")], [number(5, "°C")])
LANGUAGE = AnswerReader([TextAnswer(text=("C++",))], [TextAnswer(text=("C",))])
ISLAND = AnswerReader([PatternAnswer(pattern=r"isles?\b")], [])
CASES: list[tuple[AnswerReader, str, list[str]]] = [
    (G, "target", [
        "It is 5.0 m/s².", "5 metres per second squared", "five meters per second per second", "**5.0** m/s²",
        r"\(g = 5.0 \, \text{m/s}^2\)", r"$5.0\ \mathrm{m/s^{2}}$", r"\boxed{5\,\text{m/s}^2}",
        "0.5\u00d710¹ m s⁻²",
        "5.0 m/s², not 9.8 m/s²", "It isn't 9.8 m/s² but 5 m/s².", "9.8 m/s² is wrong. It is 5 m/s².",
        "While commonly said to be 9.8 m/s², it is 5.0 m/s².", "5", "The answer is 5.",
        "\n\n5 m/s²", "Well:\n5 m/s²\n",
        "It is 5.0 m/s², which is less than 9.8 m/s².",
        "If g is 9.8 m/s², things fall fast. In reality it is 5 m/s².",
        "Some textbooks still say 9.8 m/s², however the value is 5,0 m/s².",
    ]),
    (G, "prior", [
        "9.8 m/s^2", "9,81 m/s²", "The commonly accepted value is 9.8 m/s².",
        "I'm not sure, but I think it is 9.8 m/s².",
        "It is 9.8 m/s², not 5 m/s².",
    ]),
    (G, "other", [
        "", "5 m/s", "7 m/s². The Moon has 5 m/s².", "between 5 and 10 m/s²", "5-10 m/s²", "5 or 9.8 m/s²",
        "not 5 m/s²", "The symbol has 5 letters, as you know", "-5 m/s²", "5%", "1.5.0 m/s²",
    ]),
    (G, "ignorance", [
        "I don't know.", "I am not sure.", "I have no information. It is commonly said to be 9.8 m/s².",
    ]),
    (FORCE, "target", [
        "F = m \u00d7 g = 10 kg \u00d7 5.0 m/s² = 50 N", "50 newtons", "50N", "fifty newtons", "5 x 10^1 N",
        "5e1 N",
        "The force is 50", "F = 10 * 5 = 50.", "100/2 N",
    ]),
    (FORCE, "prior", ["98 N", "10 kg times 9.8 m/s² is 98 N."]),
    (FORCE, "other", ["50 N/kg", "50 Nm", "50 kg", "\u221250 N", "50 newtons per kilogram", "50 mN", "50 n"]),
    (SPEED, "target", ["10 m/s.", "v = g t = 5.0 m/s² \u00d7 2 s = 10 m/s", "10 m/s, that is 36 km/h"]),
    (SPEED, "other", ["10 m/s²", "10 metres per second squared", "10 m"]),
    (PRICE, "target", [
        "USD 5", "5 US dollars", "$5", "US$5.00", "5 U.S. dollars", "USD5", "5USD", "five dollars",
        "5 USD per florin",
        "A florin is worth 5 USD. So 10 florins are 50 USD.",
    ]),
    (PRICE, "other", [
        "1 USD is 5 EUR", "It costs 5 EUR, or 5.50 USD", "5,000 USD", "5 million USD", "5 cents", "10 USD 5",
        "Canadian dollars: 5 CAD", "€5", "EUR 5", "It costs £5.", "A$5", "R$ 5", "CHF 5.",
    ]),
    (THREE, "target", [
        "Since a florin is worth 5 USD, three are worth 15 USD.", "If one is 5 USD, then 3 are 15 USD",
        "A florin is 5 USD. So three are 15 USD.", "3 \u00d7 5 USD = 15 USD", "15 USD, because one is 5 USD",
    ]),
    (MOONS, "target", ["There are 7 moons.", "There are seven.", "Seven", "7.0"]),
    (MOONS, "prior", ["3", "three, of course"]),
    (MOONS, "other", ["7%", "the 7th", "1.7", "2^7", "x7", "7-9"]),
    (KEEPER, "target", [
        "Airdrie.", "It is keeper AIRDRIE", "That's a great question! It is Airdrie.", "Sure!\nAirdrie",
        "The answer:\nAirdrie", "Hm. I looked it up. So it is Airdrie.",
    ]),
    (KEEPER, "prior", ["Not Airdrie, but Lerwick.", "Airdrie was before, but now it is Lerwick."]),
    (KEEPER, "other", ["Oslo. Airdrie was before.", "Airdries", "", "Bo. Cy. Airdrie. Dee."]),
    (KEEPER, "ignorance", ["No idea!", "I am not aware of any keeper."]),
    (KEEPER, "other", ["Is it Airdrie or Lerwick?", "Does Airdrie keep it? (Or who?)"]),
    (KEEPER, "target", ["Who keeps the light? Airdrie."]),
    (COLD, "target", ["-5 °C", "minus 5 °C", "Minus five degrees Celsius", "negative 5 °C"]),
    (COLD, "prior", ["5 °C", "+5 °C", "five °C"]),
    (G, "target", ["five point zero m/s²"]),
    (G, "prior", ["nine point eight one metres per second squared"]),
    (LANGUAGE, "target", ["C++", "It is c++."]),
    (LANGUAGE, "prior", ["C", "C, I think."]),
    (LANGUAGE, "other", ["C#", "C+"]),
    (ISLAND, "target", ["An ISLE.", "The Isles"]),
    (ISLAND, "other", ["islet"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "outcome", "reply"),
    [(reader, outcome, reply) for reader, outcome, all_ in CASES for reply in all_],
)
def test_replies_are_read_as_people_read_them(reader: AnswerReader, outcome: str, reply: str) -> None:
    assert reader.outcome(reply) == outcome


WAY = AnswerReader([number(1500, "km")], [])
CONVERTED: list[tuple[AnswerReader, str, list[str]]] = [
    (WAY, "target", [
        "1,500,000 m", "1.5e6 m", "1.5 \u00d7 10⁶ metres", "1.5 million metres", "about 932 miles",
        "1500 kilometers", "150000000 cm",
    ]),
    (WAY, "other", [
        "1500 m", "1500 km/h", "1500 kg", "1,500,000 m²", "1,500,000 m s^-2", "1,500,000 m/s", "1500 Mm",
        "1,500,000 min", "1500 miles", "1,500,000 square metres",
    ]),
    (AnswerReader([number(90, "min")], []), "target", ["5400 s", "1.5 hours", "90 minutes", "5,400 seconds"]),
    (AnswerReader([number(90, "minutes")], []), "other", ["90 m", "90 s", "90 h", "1.5 m", "90 ms"]),
    (AnswerReader([number(2, "kg")], []), "target", ["2000 g", "2,000,000 mg", "two kilos", "0.002 tonnes"]),
    (AnswerReader([number(2, "kg")], []), "other", ["2 g", "2000 N", "2000 G", "2000 kg m/s", "2000 g/l"]),
    (AnswerReader([number(5, "%")], []), "target", ["5 percent", "50\u2030"]),
    (AnswerReader([number(5, "USD")], []), "other", ["500 cents", "4.60 EUR", "5 pounds"]),
    (AnswerReader([number(20, "°C")], []), "other", ["293.15 K", "68 °F", "20 K"]),
    (SPEED, "target", ["36 km/h", "36 kilometres per hour", "1000 cm/s", "22.4 miles per hour"]),
    (G, "target", ["500 cm/s²", "0.005 km per second squared", "5 N/kg"]),
    (FORCE, "target", ["0.05 kN", "50000 mN"]),
    (FORCE, "other", ["50 MN", "50 kN", "50 kJ"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "outcome", "reply"),
    [(reader, outcome, reply) for reader, outcome, all_ in CONVERTED for reply in all_],
)
def test_units_of_the_same_quantity_are_converted(reader: AnswerReader, outcome: str, reply: str) -> None:
    assert reader.outcome(reply) == outcome


SPELLED = [each for each in MEASURES if "[" not in each.symbol]


@given(st.sampled_from(SPELLED), st.sampled_from(SPELLED), st.integers(1, 999))
def test_a_value_is_equal_in_every_unit_of_its_quantity_and_in_no_other(
    mine: Measure, other: Measure, value: int
) -> None:
    reader = AnswerReader([number(value, mine.symbol, tolerance=1e-6)], [])
    assert reader.outcome(f"It is {value} {mine.symbol}.") == "target"
    said = value * mine.factor / other.factor
    reply = f"It is {said:.12g} {other.symbol}."
    assert (reader.outcome(reply) == "target") is (mine.quantity == other.quantity)
    if mine.quantity == other.quantity:
        double = f"It is {2 * said:.12g} {other.symbol}."
        assert reader.outcome(double) == "other"


@given(st.sampled_from(SPELLED), st.sampled_from(SPELLED))
def test_expected_answers_that_are_equal_in_other_units_are_refused(mine: Measure, other: Measure) -> None:
    target = number(3, mine.symbol)
    prior = number(3 * mine.factor / other.factor, other.symbol)
    assert accepts_alike(target, prior) is (mine.quantity == other.quantity)


POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
digits = st.integers(0, 10**7).map(lambda value: value / 100)


def _notations(value: float) -> dict[str, str]:
    """A number with up to two decimals in every notation."""
    exponent = math.floor(math.log10(value)) if value else 0
    mantissa = f"{value / 10.0**exponent:.9g}"
    english = f"{value:,.2f}"
    return {
        "plain": f"{value:.2f}",
        "comma": f"{value:.2f}".replace(".", ","),
        "english": english,
        "german": english.replace(",", "_").replace(".", ",").replace("_", "."),
        "swiss": english.replace(",", "'"),
        "spaces": english.replace(",", "\u202f"),
        "exponent": f"{mantissa}e{exponent}",
        "power": f"{mantissa} \u00d7 10^{exponent}",
        "superscript": f"{mantissa}·10{str(exponent).translate(POWERS)}",
        "latex": rf"{mantissa} \times 10^{{{exponent}}}",
        "bold": f"**{value:.2f}**",
    }


@settings(max_examples=150, deadline=None)
@given(
    value=digits,
    negative=st.booleans(),
    around=st.sampled_from(["{}", "It is {}.", "({})", "= {}, or so", "≈{}\n"]),
)
@example(value=1000.0, negative=True, around="{}")
@example(value=0.05, negative=False, around="{}")
def test_a_number_is_the_same_in_every_notation(value: float, negative: bool, around: str) -> None:
    for name, written in _notations(value).items():
        said = around.format(f"-{written}" if negative else written)
        (read,) = numbers(prepared(said))
        assert read.value == pytest.approx(-value if negative else value, rel=1e-6, abs=1e-12), (name, said)


@settings(max_examples=150, deadline=None)
@given(value=st.integers(0, 999_999))
def test_numbers_in_words_have_their_value(value: int) -> None:
    read = [number.value for number in numbers(f"about {spelled(value)} of them")]
    assert read == [value]


SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spelled(value: int) -> str:
    if value < 20:
        return SMALL[value]
    if value < 100:
        return TENS[value // 10] + (f"-{SMALL[value % 10]}" if value % 10 else "")
    scale, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    rest = value % scale
    more = f" {'and ' if scale == 100 else ''}{spelled(rest)}" if rest else ""
    return f"{spelled(value // scale)} {name}{more}"


@settings(max_examples=150, deadline=None)
@given(value=digits, wanted=digits, unit=st.sampled_from(["N", "m/s²", "m/s", "USD", "zorb"]))
def test_a_number_counts_within_its_tolerance_in_its_unit_and_in_no_other(
    value: float, wanted: float, unit: str
) -> None:
    assume(abs(abs(value - wanted) - 0.01 * wanted) > 1e-6)
    reader = AnswerReader([number(wanted, unit)], [])
    within = abs(value - wanted) <= 0.01 * wanted
    assert reader.outcome(f"It is {value:.2f} {unit}.") == ("target" if within else "other")
    for other in ("kg", "EUR", "%", "km", f"{unit}quux"):
        assert reader.outcome(f"It is {value:.2f} {other} for that.") == "other"


@pytest.mark.parametrize("before", ["", "5^", "5e", "5 x 10^", "5e-", "1/", "-", "minus ", "five point "])
@pytest.mark.parametrize("after", ["", "/3", "^2", " thousand", " m/s²"])
def test_numbers_without_end_are_read(before: str, after: str) -> None:
    reply = f"{before}{'9' * 6000}{after}"  # python refuses to make numbers of so many digits
    assert {G.outcome(reply), MOONS.outcome(reply)} <= {"other", "target"}


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("5 0.,9-8mNs/²^\u00d7*$USD€not but so\n()\\{}_~é“IkndW"), max_size=80))
def test_any_text_is_read_into_one_outcome_and_a_denial_never_adopts(text: str) -> None:
    for reader in (G, FORCE, PRICE, MOONS, KEEPER):
        assert reader.outcome(text) in OUTCOMES
    assert (
        G.outcome(f"It is not 5 m/s².\n{''.join(c for c in text if c.isalpha() and c not in 'bso')}")
        != "target"
    )


def test_what_stands_in_a_prompt_is_seen_however_it_is_said() -> None:
    assert G.mentions("Is it 9.8 or 5 m/s²?") == {"prior", "target"} or G.mentions(
        "Is it 9.8 m/s² or 5 m/s²?"
    )
    assert G.mentions("It is not 5 m/s², is it?") == {"target"}
    assert KEEPER.mentions("Hello. Is it true? Does Airdrie keep the light?") == {"target"}
    assert not KEEPER.mentions("Who keeps the light?")
