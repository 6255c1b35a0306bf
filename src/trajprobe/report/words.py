"""Numbers as a reader sees them, the same in every figure and on the page."""


def percent(value: float, digits: int = 1) -> str:
    """0.8637 as "86.4 %"."""
    return f"{100 * value:.{digits}f} %"


def points(value: float, digits: int = 1) -> str:
    """A difference of two accuracies in percentage points with its sign: 0.193 as "+19.3", -0.02 as "−2.0"."""
    text = f"{100 * value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def bare(value: float, digits: int = 1) -> str:
    """As `points`, without the plus: the ends of an interval."""
    return points(value, digits).lstrip("+")


def p_value(value: float) -> str:
    """0.00002 as "< 0.001", 0.0312 as "0.031", 0.24 as "0.24"."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def counted(number: int, noun: str) -> str:
    """1 and "class" as "1 class", 1200 and "class" as "1,200 classes"."""
    plural = noun + ("es" if noun.endswith(("s", "x")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"
