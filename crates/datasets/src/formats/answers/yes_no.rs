//! Spellings of yes and no.

use stepwise_data::answer_text::fold;

/// Spellings of yes in normalised form.
const YES: &[&str] = &[
    "yes",
    "y",
    "yeah",
    "yep",
    "yea",
    "yes it is",
    "yes it does",
    "yes there is",
    "yes there are",
    "yes they are",
    "是",
    "是的",
    "有",
    "有的",
    "包含",
    "可以",
    "对",
    "对的",
    "存在",
    "能",
    "会",
    "正确",
    "属于",
    "需要",
];

/// Spellings of no in normalised form.
const NO: &[&str] = &[
    "no",
    "n",
    "nope",
    "nah",
    "no it is not",
    "no it isn't",
    "no it does not",
    "no it doesn't",
    "no there is not",
    "no there are not",
    "no they are not",
    "不是",
    "不是的",
    "不",
    "没有",
    "没",
    "无",
    "不包含",
    "不可以",
    "否",
    "不对",
    "不存在",
    "不能",
    "不会",
    "不正确",
    "错误",
    "不属于",
    "不需要",
];

/// Returns true for yes and false for no; None for any other text.
pub(super) fn read(text: &str) -> Option<bool> {
    let folded = fold(text);
    let is_in = |spellings: &[&str]| spellings.iter().any(|spelling| fold(spelling) == folded);
    if is_in(YES) {
        Some(true)
    } else if is_in(NO) {
        Some(false)
    } else {
        None
    }
}
