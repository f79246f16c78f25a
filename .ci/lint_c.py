"""Reads C well enough for the limits: what is code and what comment, where functions begin and end.

No parser: a scanner over text that clang-format has laid out. Where braces do not balance it says
so instead of guessing, since a reader that loses its place would find nothing more in that file.
"""

import re
from dataclasses import dataclass, field

LITERAL = re.compile(
    r"""/\*.*?\*/ | //(?:[^\n]|\\\n)* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
    re.S | re.X,
)
DIRECTIVE = re.compile(r"^[ \t]*\#(?:[^\n\\]|\\.)*", re.M | re.S)
TOKEN = re.compile(r"[A-Za-z_]\w*|&&|\|\||[-+*/%&|^=!<>]=|->|\S")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)", re.S)
WORD = re.compile(r"[A-Za-z_]\w*\Z")
CONTROL = {"if", "for", "while", "switch"}
# What comes before the parenthesis of a compound literal and never before a statement's brace.
EXPRESSION = {"return", "sizeof", "case"}
BRANCH = {"if", "for", "while", "case", "&&", "||", "?"}


@dataclass
class Function:
    name: str
    line: int
    end: int = 0
    depth: int = 0
    depth_line: int = 0
    complexity: int = 1

    @property
    def length(self):
        return self.end - self.line + 1


@dataclass
class Source:
    code: str = ""  # comments and literals blanked, every line in its place
    plain: str = ""  # the same without preprocessor lines
    functions: list = field(default_factory=list)
    error: str = ""  # why the functions are not to be trusted
    error_line: int = 0


def _blank(match):
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[0]
    return re.sub(r"[^\n]", " ", text)


def _blank_all(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def read(text):
    """The Source of a .c or .h file's text."""
    s = Source()
    # Includes keep their names: the layers are read from them.
    lines = text.split("\n")
    kept = {i for i, line in enumerate(lines) if re.match(r"\s*#\s*include\b", line)}
    blanked = LITERAL.sub(_blank, text).split("\n")
    s.code = "\n".join(
        lines[i] if i in kept and blanked[i].strip() else blanked[i] for i in range(len(lines))
    )
    s.plain = ATTRIBUTE.sub(_blank_all, DIRECTIVE.sub(_blank_all, "\n".join(blanked)))
    _functions(s)
    return s


def _tokens(plain):
    line, at = 1, 0
    for m in TOKEN.finditer(plain):
        line += plain.count("\n", at, m.start())
        at = m.start()
        yield m.group(0), line


def _functions(s):
    tokens = list(_tokens(s.plain))
    at, head = 0, []
    while at < len(tokens):
        token, line = tokens[at]
        if token == "{":
            f = _head_of_function(head)
            at = _body(s, tokens, at, f)
            if s.error:
                return
            if f:
                s.functions.append(f)
                head = []
            else:
                head.append(("}", line))  # the end of a struct or a table; `;` follows
            continue
        if token == "}":
            s.error, s.error_line = "a brace is closed that was never opened", line
            return
        head = [] if token == ";" else head + [(token, line)]
        at += 1


def _head_of_function(head):
    """The Function whose body comes next, or None: a struct, an enum, a table."""
    if not head or head[-1][0] != ")" or any(t == "=" for t, _ in head):
        return None
    level = 0
    for i in range(len(head) - 1, -1, -1):
        level += {")": 1, "(": -1}.get(head[i][0], 0)
        if level == 0:
            if i > 0 and WORD.match(head[i - 1][0]):
                return Function(head[i - 1][0], head[i - 1][1])
            return None
    return None


def _body(s, tokens, at, f):
    """Walks from the brace at tokens[at] to behind its end; counts for f. Returns the position."""
    stack, opened = [], []  # braces: statement or not; parentheses: position of each
    group = None  # where the last closed parenthesis had begun
    first = at
    while at < len(tokens):
        token, line = tokens[at]
        if token == "(":
            opened.append(at)
        elif token == ")" and opened:
            group = opened.pop()
        elif token == "{":
            stack.append(at == first or (stack[-1] and _is_statement(tokens, at, group)))
            if f and stack[-1] and stack.count(True) > f.depth:
                f.depth, f.depth_line = stack.count(True), line
        elif token == "}":
            stack.pop()
            if not stack:
                if f:
                    f.end = line
                return at + 1
        elif f and (token in BRANCH or token.endswith(("_foreach", "_foreach_safe"))):
            f.complexity += 1
        at += 1
    s.error, s.error_line = "a brace is never closed", tokens[first][1]
    return at


def _is_statement(tokens, at, group):
    """Does this brace open a block (and not an initialiser or a struct)?"""
    before = tokens[at - 1][0]
    if before in {";", "{", "}", ":", "else", "do"}:
        return True
    if before != ")" or group is None or group == 0:
        return False
    name = tokens[group - 1][0]
    return name in CONTROL or (bool(WORD.match(name)) and name not in EXPRESSION)
