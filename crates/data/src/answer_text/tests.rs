use proptest::prelude::*;
use unicode_normalization::char::decompose_compatible;

use super::characters::COMPATIBLE;
use super::*;

#[test]
fn dress_is_dropped_and_words_are_kept() {
    for (text, folded) in [
        ("  X-ray.\n", "x ray"),
        ("ÖDEM, left", "ödem left"),
        ("T1-weighted, grade 1-2", "t1 weighted grade 1 2"),
        ("(the “left” lung)?!", "the left lung"),
        ("**B. CT**", "b ct"),
        ("left lung—small", "left lung small"),
        ("- effusion", "effusion"),
        ("ΟΔΟΣ", "οδοσ"),
    ] {
        assert_eq!(fold(text), folded, "{text}");
    }
    for dress in ["", " ", "?", "(-)", "-", "–", "...", "\u{200B}", "\u{FEFF}", "“”"] {
        assert_eq!(fold(dress), "", "{dress:?}");
    }
}

/// Each row holds texts of which no two are the same answer.
#[test]
fn texts_with_another_meaning_stay_apart() {
    let rows: &[&[&str]] = &[
        &["effusion", "no effusion", "none", "no"],
        &["↑ signal", "↓ signal", "→ signal", "signal", "⇑ signal", "↑↑ signal"],
        &["A←B", "A→B", "A↔B", "A B", "A-B↑"],
        &["T2", "T2*", "T1", "T₂"],
        &[
            "5", "5%", "5‰", "5°", "5*", "<5", ">5", "≤5", "≥5", "+5", "-5", "±5", "~5", "≈5", "=5", "≠5", "5²", "5/",
            "5µ",
        ],
        &["1.5", "15", "1 5", "1,5", "1:5", "1/5", "1-.5", ".15", "1+5", "1*5", "1^5", "1x5"],
        &["-.5", ".5", "5"],
        &["z -.5", "z- .5", "z .5"],
        &["102", "10²", "10₂", "10^2", "10 2", "10⁻²", "10⁺²"],
        &["11/2", "1½", "1/2", "½"],
        &["cm²", "cm", "㎡", "cm³"],
        &["HER2", "HER2+", "HER2-", "HER2±"],
        &["HER2 +", "HER2 -", "HER2"],
        &["+ve", "-ve", "ve"],
        &["A <- B", "A < B", "A -> B", "A <-5 B"],
        &["< -5", "<5", "< 5-"],
        &["α", "β", "a", "β-blocker", "γ"],
        &["µm", "m", "mm"],
        &["5", "5′", "5″"],
        &["5", "5'", "5\""],
        &["3' UTR", "3 UTR", "5' UTR"],
        &["5'10\"", "5'10'", "5 10"],
        &["AT&T", "AT T"],
        &["Crohn", "Crohn’s"],
        &["e", "é", "è", "ê"],
        &["37 °C", "37 C", "37 °F"],
        &["Ca²⁺", "Ca2+", "Ca"],
        &["#3", "3", "№ 3"],
    ];
    for row in rows {
        for (place, one) in row.iter().enumerate() {
            for other in &row[place + 1..] {
                assert_ne!(fold(one), fold(other), "{one:?} and {other:?}");
            }
        }
    }
}

/// Each row holds spellings of one answer.
#[test]
fn spellings_of_one_text_are_equal() {
    let rows: &[&[&str]] = &[
        &["é", "e\u{301}", "É", "E\u{301}"],
        &["5 µm", "5 μm", "5 \u{3BC}M", "５ µm", "5\u{A0}µm", "5\u{2009}µm"],
        &["5%", "5 %", "５％", "**5%**", "5\u{202F}%", "“5 %”"],
        &["-2", "\u{2212}2", "–2", "－2", "(-2)"],
        &["< 5mm.", "<5mm", "＜5㎜"],
        &["≤5", "<=5", "≦ 5", "⩽5"],
        &["A→B", "A -> B", "A --> B"],
        &["±3", "+/-3", "± 3"],
        &["Crohn’s disease", "Crohn's disease", "crohn‘s disease", "Crohnʼs disease"],
        &["“left” – small", "\"left\" - small", "«left» — small", "left small"],
        &["X-ray", "X‐ray", "X\u{2011}ray", "x ray"],
        &["HER2-", "HER2 (-)", "HER2(\u{2212})", "her2−", "HER2 -", "(HER2 \u{2013})", "HER2 -."],
        &["-ve", " \u{2212}ve.\n", "**-VE**"],
        &["A←B", "A <- B", "A<--B"],
        &["HER2+", "HER2 (+)", "her2＋"],
        &["fibrosis", "ﬁbrosis", "fi\u{AD}brosis", "fi\u{200B}brosis", "\u{FEFF}fibrosis"],
        &["grade IV", "grade Ⅳ", "Grade ⅳ"],
        &["37 °C", "37℃", "37 ºC", "37 ˚C"],
        &["α-fetoprotein", "𝛼-fetoprotein", "Α-fetoprotein"],
        &["ガ", "ｶﾞ", "カ\u{3099}"],
        &["3x4 mm", "3×4 mm"],
        &["↑", "↑\u{FE0F}", "*↑*"],
        &["T2*", "**T2***", "T2∗", "T2＊"],
        &["Yes", "yes.", "YES!", "*yes*"],
        &["m/s", "㎧", "m∕s"],
        &["5'", "5′", "5’", "5´", "5 ′"],
        &["5\"", "5″", "5”", "5''", "5′′", "5’’"],
        &["5", "'5'", "\"5\"", "‘5’", "“5”", "„5“", "(\"5\")", "`5`"],
        &["the 5' end", "\"the 5' end\"", "the 5′ end.", "“the 5’ end”"],
        &["3'UTR", "3′ UTR", "3' UTR"],
        &["Crohn's grade 5'", "Crohn’s grade 5′"],
        &["1990's", "1990 s"],
    ];
    for row in rows {
        for other in &row[1..] {
            assert_eq!(fold(row[0]), fold(other), "{:?} and {other:?}", row[0]);
        }
    }
}

#[test]
fn no_compatibility_form_loses_an_exponent() {
    for character in COMPATIBLE.iter().cloned().flatten() {
        let mut parts = Vec::new();
        decompose_compatible(character, |part| parts.push(part));
        assert!(parts.len() == 1 || !parts.iter().any(char::is_ascii_digit), "{character} becomes {parts:?}");
    }
}

#[test]
fn long_texts_take_no_longer_than_their_length() {
    for piece in ["*a ", "*a* ", "a* ", "**a *b* ", "-", "(-)", "e\u{301}\u{302}"] {
        let _ = fold(&piece.repeat(200_000));
    }
}

/// Signs that change the meaning wherever they stand.
const SIGNS: &str = "↑↓←→↔⇒<>≤≥=≠±+%‰°~≈*/^&#|$€²³₂⁺⁻½′″αβγδµ√∞";

/// Texts of letters, digits, marks, signs and dress.
fn texts() -> impl Strategy<Value = String> {
    let signs: Vec<char> = SIGNS.chars().collect();
    let pieces = prop_oneof![
        "[a-zA-Z]{1,6}",
        "[0-9]{1,3}",
        "[ .,:;!?()'\"*_\\-–—−\u{AD}\u{FEFF}\u{A0}]{1,3}",
        "[éÉñüßİıςΣǅﬁ①Ⅳ㎜＋％ｶﾞ]",
        "[\u{300}-\u{304}\u{327}\u{338}\u{345}\u{FE0F}]{1,2}",
        proptest::sample::select(signs).prop_map(String::from),
        "\\PC{1,4}",
    ];
    proptest::collection::vec(pieces, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn folding_again_changes_nothing(text in texts()) {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn composed_and_decomposed_texts_are_equal(text in texts()) {
        let decomposed: String = text.nfd().collect();
        let composed: String = text.nfc().collect();
        prop_assert_eq!(fold(&decomposed), fold(&text));
        prop_assert_eq!(fold(&composed), fold(&text));
    }

    /// A sign is never dropped, wherever it stands among words.
    #[test]
    fn texts_that_differ_in_a_sign_differ(
        words in proptest::collection::vec("[a-z]{1,5}|[0-9]{1,3}", 1..4), place in 0usize..4, number in 0usize..64,
        spaced in any::<bool>()
    ) {
        let signs: Vec<char> = SIGNS.chars().collect();
        let (one, other) = (signs[number % signs.len()], signs[(number + 1) % signs.len()]);
        let with = |sign: Option<char>| {
            let mut parts = words.clone();
            parts.insert(place.min(words.len()), sign.map_or_else(String::new, String::from));
            parts.join(if spaced { " " } else { "" })
        };
        prop_assert_ne!(fold(&with(Some(one))), fold(&with(None)));
        prop_assert_ne!(fold(&with(Some(one))), fold(&with(Some(other))));
    }
}
