"""How the numbers of metrics/ are written for people: the same in verdicts, terminal, figures and page.

Accuracies are fractions everywhere in the code. People read percentages, and differences of accuracies in percentage
points with a sign. R^2, the score of numbers that are predicted, and its differences are written with two decimals. The
minus is the typographic one, U+2212.
"""

from dataclasses import dataclass


def percent(value: float, digits: int | None = 1) -> str:
    """0.8637 as "86.4 %"; with digits None as short as it is exact, 0.95 as "95 %" and 0.995 as "99.5 %"."""
    return f"{100 * value:g} %" if digits is None else f"{100 * value:.{digits}f} %"


def points(value: float, digits: int = 1, factor: int = 100) -> str:
    """A difference of two accuracies in percentage points with its sign: 0.193 as "+19.3", -0.02 as "−2.0".

    factor: other than 100 for differences that are no fractions.
    """
    text = f"{factor * value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def bare(value: float, digits: int = 1) -> str:
    """As `points`, without the plus: the ends of an interval."""
    return points(value, digits).lstrip("+")


def signed(value: float) -> str:
    """A difference of numbers that are no fractions: 0.612 as "+0.61", -0.004 as "0.00"."""
    return points(value / 100, 2)


def points_range(low: float, high: float) -> str:
    """Both ends of an interval of a difference: 0.151 and 0.234 as "15.1 to 23.4"."""
    return f"{bare(low)} to {bare(high)}"


def p_value(value: float) -> str:
    """0.00002 as "< 0.001", 0.0312 as "0.031", 0.24 as "0.24"."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def p_equals(value: float) -> str:
    """0.00002 as "p < 0.001", 0.0312 as "p = 0.031"."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def counted(number: int, noun: str) -> str:
    """1 and "class" as "1 class", 1200 and "class" as "1,200 classes"."""
    plural = noun + ("es" if noun.endswith(("s", "x")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def prefixed(count: int) -> str:
    """Three digits of a large number: 1_234_567_890 as "1.23 G", 45_600 as "45.6 k"."""
    unit, length = next(
        (pair for pair in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)) if count >= pair[1]),
        ("", 1),
    )
    return f"{count / length:.3g} {unit}".rstrip()


@dataclass(frozen=True)
class Scale:
    """The score of a study, in the words and figures that people read.

    name: of the score. factor, digits, sign: 0.864 is written as 100 x 0.864, with one
    digit, and a percent sign. unit: after a difference. gain: a heading for differences. differs, lower, higher: how
    a sentence compares two arms. beats: that the first is ahead. better, as_good: of an alternative. chance: what knows
    nothing. labels: what is predicted. harder: what to do about a task at its ceiling. too_few, of_class: of items that
    cannot be halved.
    """

    name: str
    factor: int
    digits: int
    sign: str
    unit: str
    gain: str
    differs: str
    lower: str
    higher: str
    beats: str
    better: str
    as_good: str
    chance: str
    labels: str
    harder: str
    too_few: str
    of_class: str

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.name[0].upper() + self.name[1:]

    @property
    def axis(self) -> str:
        """The label of an axis of scores."""
        return f"held-out {self.name}" + (f",{self.sign}" if self.sign else "")

    @property
    def measure(self) -> str:
        """What differences are counted in: "points", or "R²"."""
        return self.unit.strip() or self.name

    def value(self, score: float) -> str:
        """0.8637 as "86.4 %", or as "0.86"."""
        return self.bare(score) + self.sign

    def difference(self, value: float) -> str:
        """With its sign: 0.193 as "+19.3", or as "+0.19"."""
        return points(value, self.digits, self.factor)

    def bare(self, value: float) -> str:
        """As `difference`, without the plus."""
        return self.difference(value).lstrip("+")

    def sized(self, value: float) -> str:
        """A difference without its plus, with its unit: 0.193 as "19.3 points", or as "0.19"."""
        return self.bare(value) + self.unit

    def between(self, low: float, high: float) -> str:
        """Both ends of an interval of a difference: "15.1 to 23.4", or "0.15 to 0.23"."""
        return f"{self.bare(low)} to {self.bare(high)}"

    def values_between(self, low: float, high: float) -> str:
        """Both ends of an interval of the score: "83.4 to 89.1 %", or "0.83 to 0.89"."""
        return f"{self.bare(low)} to {self.value(high)}"

    def region(self, half_width: float) -> str:
        """A symmetric region, as short as it is exact: 0.02 as "±2 points", or as "±0.02"."""
        return f"±{self.factor * half_width:g}{self.unit}"


ACCURACY = Scale(
    name="accuracy",
    factor=100,
    digits=1,
    sign=" %",
    unit=" points",
    gain="gain, points",
    differs="this checkpoint is {size} percentage points {side} accurate than",
    lower="less",
    higher="more",
    beats="It is more accurate than",
    better="more accurate",
    as_good="as accurate",
    chance="always the most frequent class",
    labels="classes",
    harder="Try more classes, fewer labels or more noise.",
    too_few="A class has too few items",
    of_class=" of that class",
)
R2 = Scale(
    name="R²",
    factor=1,
    digits=2,
    sign="",
    unit="",
    gain="gain in R²",
    differs="R² is {size} {side} than with",
    lower="lower",
    higher="higher",
    beats="R² is higher than with",
    better="better",
    as_good="as good",
    chance="always the mean",
    labels="numbers",
    harder="Try fewer labels or more noise.",
    too_few="There are too few items",
    of_class="",
)


def scale_of(n_classes: int) -> Scale:
    """Of the score of a study of so many classes; none if numbers are predicted."""
    return ACCURACY if n_classes else R2
