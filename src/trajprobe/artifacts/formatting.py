"""How the numbers of metrics/ are written for people: the same in verdicts, terminal, figures and page.

Accuracies are fractions everywhere in the code. People read percentages, and differences of accuracies in percentage
points with a sign. The minus is the typographic one, U+2212.
"""


def percent(value: float, digits: int | None = 1) -> str:
    """0.8637 as "86.4 %"; with digits None as short as it is exact, 0.95 as "95 %" and 0.995 as "99.5 %"."""
    return f"{100 * value:g} %" if digits is None else f"{100 * value:.{digits}f} %"


def points(value: float, digits: int = 1) -> str:
    """A difference of two accuracies in percentage points with its sign: 0.193 as "+19.3", -0.02 as "−2.0"."""
    text = f"{100 * value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def bare(value: float, digits: int = 1) -> str:
    """As `points`, without the plus: the ends of an interval."""
    return points(value, digits).lstrip("+")


def signed(value: float) -> str:
    """A difference of numbers that are no fractions: 0.612 as "+0.61", -0.004 as "0.00"."""
    return points(value / 100, 2)


def plus_minus(half_width: float) -> str:
    """A symmetric region in percentage points, as short as it is exact: 0.02 as "±2"."""
    return f"±{100 * half_width:g}"


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
