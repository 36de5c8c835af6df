"""Languages that a translator is told by a token: which there are, and where the token of a text's own stands.

Source: Hugging Face transformers 5.24, `models/{mbart,mbart50,m2m_100,nllb}/tokenization_*.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

# en_XX of mBART, eng_Latn of NLLB, __en__ of M2M-100.
CODE = re.compile(r"[a-z]{2,3}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|__[a-z]{2,3}__")
ENGLISH = ("en_XX", "eng_Latn", "en")
# Classes of tokenizers -> whether a text's own language stands behind its end. Older files of NLLB have it there, and
# the library does not go by them: it stands ahead, unless the settings say that it is to be as it was.
BEHIND = {"MBartTokenizer": True, "MBart50Tokenizer": False, "M2M100Tokenizer": False, "NllbTokenizer": False}

# The languages of M2M-100 by what a setting calls them, in the order of their tokens.
M2M = {
    "m2m100": (
        "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi "
        "hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns "
        "oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh "
        "zu"
    ),
    "wmt21": "en ha is ja cs ru zh de",
}
# Those of mBART and of mBART-50 by the class of their tokenizer, likewise.
_FIRST = (
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV "
    "my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN"
)
_MORE = (
    "af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX "
    "sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
)
MBART = {"MBartTokenizer": _FIRST, "MBart50Tokenizer": f"{_FIRST} {_MORE}"}


class Languages(NamedTuple):
    """codes: as people write them -> the id of their token. behind: see `BEHIND`. source, target: what is taken where
    nobody chooses; "" where nothing says it."""

    codes: Mapping[str, int]
    behind: bool
    source: str
    target: str

    def around(self, end: int, language: str = "") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids before and after a text in a language.

        Raises:
            ValueError: a code that is not known.
        """
        code = self.id(language or self.source)
        return ((), (end, code)) if self.behind else ((code,), (end,))

    def id(self, language: str) -> int:
        """The id of a code's token; errors as of `around`."""
        if language not in self.codes:
            known = ", ".join([*self.codes][:8]) + (", …" if len(self.codes) > 8 else "")
            raise ValueError(f"expected a language out of {known}, received {language[:40]!r}")
        return self.codes[language]

    def name(self, index: int) -> str:
        """The code of a token; "" where it is none of a language."""
        return next((code for code, i in self.codes.items() if i == index), "")


def written(token: str) -> str:
    """A language's token as people write its code: `__en__` is en."""
    return token.strip("_")


def languages_of(
    special: Mapping[str, int], settings: Mapping[str, Any], after: Collection[int]
) -> Languages | None:
    """The languages among special tokens; None where there are fewer than two.

    Args:
        special: token -> id.
        settings: of the folder's tokenizer.
        after: the ids behind a text as its file has them, where no class is named.
    """
    codes = {written(token): i for token, i in special.items() if CODE.fullmatch(token)}
    if len(codes) < 2:
        return None
    codes = dict(sorted(codes.items()))
    named = str(settings.get("tokenizer_class", "")).removesuffix("Fast")
    behind = BEHIND.get(named, bool(set(after) & set(codes.values())))
    behind = behind or settings.get("legacy_behaviour") is True

    def chosen(field: str) -> str:
        found = settings.get(field)
        return written(found) if isinstance(found, str) and written(found) in codes else ""

    usual = next((code for code in ENGLISH if code in codes), next(iter(codes)))
    return Languages(codes, behind, chosen("src_lang") or usual, chosen("tgt_lang"))
