//! All conclusions of the drawn world. Types, grades, risks and steps are invented: they follow from the described
//! features by the table below and have no medical meaning.
//!
//! | conclusion | rule |
//! | --- | --- |
//! | type | no finding: `normal`; on both sides: `spread type`; else by the margin: spiculated: `alert type`; lobulated: `alert type` if large, else `calm type`; smooth: `alert type` if solid, else `calm type` |
//! | deciding feature | the feature at which the rule above stopped |
//! | excluded origin | ring: `tissue`; else bright: `fluid`, dark: `stone` |
//! | grade | no finding: `grade 0`; not large and no halo: `grade 1`; not small and a halo: `grade 3`; else `grade 2` |
//! | risk | margin (smooth 0, lobulated 1, spiculated 2) plus pattern (ring 0, spots 1, solid 2): up to 1 `low`, 2 `middle`, from 3 `high` |
//! | next step | cannot be judged: `repeat image`; gas: `act now`; normal: `no action`; spread: `full scan`; alert: `take sample`; calm: `wait` |
//!
//! The outcomes of each conclusion are about equally likely under the distribution of the facts, so that no outcome is
//! a safe guess.

use super::facts::{Distribution, Facts, Findings, Intensity, Margin, Pattern, Sign, Size};

/// Answer for a readable case without a finding.
pub(super) const NO_FINDING: &str = "no finding";
/// Text of the abstain option.
pub(super) const CANNOT_TELL: &str = "cannot tell";

/// Possible types.
pub(super) const TYPES: [&str; 4] = ["normal", "spread type", "alert type", "calm type"];
/// Features that can decide the type.
pub(super) const FEATURES: [&str; 4] = ["distribution", "margin", "size", "pattern"];
/// Possible origins.
pub(super) const ORIGINS: [&str; 3] = ["fluid", "stone", "tissue"];
/// Possible grades.
pub(super) const GRADES: [&str; 4] = ["grade 0", "grade 1", "grade 2", "grade 3"];
/// Possible risks.
pub(super) const RISKS: [&str; 3] = ["low", "middle", "high"];
/// Possible next steps.
pub(super) const STEPS: [&str; 6] = ["no action", "full scan", "take sample", "wait", "act now", "repeat image"];

/// Type, and the feature that decided it.
fn judged(findings: &Findings) -> (&'static str, &'static str) {
    let alert_if = |alert: bool| if alert { "alert type" } else { "calm type" };
    match (findings.distribution, findings.margin) {
        (Distribution::BothSides, _) => ("spread type", "distribution"),
        (_, Margin::Spiculated) => ("alert type", "margin"),
        (_, Margin::Lobulated) => (alert_if(findings.size == Size::Large), "size"),
        (_, Margin::Smooth) => (alert_if(findings.pattern == Pattern::Solid), "pattern"),
    }
}

/// Returns the type by the rule above; `normal` for None.
pub(super) fn type_of(findings: Option<&Findings>) -> &'static str {
    findings.map_or("normal", |findings| judged(findings).0)
}

/// Returns the feature at which the rule of the type stopped.
pub(super) fn deciding_feature(findings: &Findings) -> &'static str {
    judged(findings).1
}

/// Returns the origin that pattern and intensity exclude.
pub(super) fn excluded_origin(findings: &Findings) -> &'static str {
    match (findings.pattern, findings.intensity) {
        (Pattern::Ring, _) => "tissue",
        (_, Intensity::Bright) => "fluid",
        (_, Intensity::Dark) => "stone",
    }
}

/// Returns the grade by size and halo; `grade 0` for None.
pub(super) fn grade(findings: Option<&Findings>) -> &'static str {
    match findings {
        None => "grade 0",
        Some(Findings { size, halo: false, .. }) if *size != Size::Large => "grade 1",
        Some(Findings { size, halo: true, .. }) if *size != Size::Small => "grade 3",
        Some(_) => "grade 2",
    }
}

/// Returns the risk by margin and pattern.
pub(super) fn risk(findings: &Findings) -> &'static str {
    match findings.margin as u8 + findings.pattern as u8 {
        0 | 1 => "low",
        2 => "middle",
        _ => "high",
    }
}

/// Returns the next step: `repeat image` where the image cannot be judged, `act now` for gas, else by the type.
pub(super) fn next_step(facts: &Facts) -> &'static str {
    if !facts.sufficient {
        return "repeat image";
    }
    if facts.sign == Sign::Gas {
        return "act now";
    }
    match type_of(facts.findings.as_ref()) {
        "spread type" => "full scan",
        "alert type" => "take sample",
        "calm type" => "wait",
        _ => "no action",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::facts::Quadrant;

    fn every() -> Vec<Findings> {
        let mut all = Vec::new();
        for &distribution in Distribution::ALL {
            for &size in Size::ALL {
                for &margin in Margin::ALL {
                    for &intensity in Intensity::ALL {
                        for &pattern in Pattern::ALL {
                            for halo in [false, true] {
                                let quadrant = Quadrant::UpperLeft;
                                all.push(Findings {
                                    distribution,
                                    count: 2,
                                    quadrant,
                                    size,
                                    margin,
                                    intensity,
                                    pattern,
                                    halo,
                                });
                            }
                        }
                    }
                }
            }
        }
        all
    }

    #[test]
    fn no_outcome_is_more_frequent_than_the_others() {
        let all = every();
        let share = |of: &dyn Fn(&Findings) -> &'static str, outcome: &str| {
            all.iter().filter(|findings| of(findings) == outcome).count() as f64 / all.len() as f64
        };
        for outcome in ORIGINS {
            assert!((share(&excluded_origin, outcome) - 1.0 / 3.0).abs() < 1e-9, "{outcome}");
        }
        for outcome in &GRADES[1..] {
            assert!((share(&|f| grade(Some(f)), outcome) - 1.0 / 3.0).abs() < 1e-9, "{outcome}");
        }
        for outcome in RISKS {
            assert!((share(&risk, outcome) - 1.0 / 3.0).abs() < 1e-9, "{outcome}");
        }
        for outcome in &TYPES[1..] {
            assert!((share(&|f| type_of(Some(f)), outcome) - 1.0 / 3.0).abs() < 0.04, "{outcome}");
        }
    }

    #[test]
    fn features_that_do_not_decide_leave_the_type_unchanged() {
        // Changing the size leaves the type unchanged where the size did not decide it.
        for findings in every().iter().filter(|f| f.distribution != Distribution::BothSides) {
            let changed = Findings { size: Size::Large, ..findings.clone() };
            if deciding_feature(findings) != "size" {
                assert_eq!(type_of(Some(findings)), type_of(Some(&changed)));
            }
        }
    }
}
