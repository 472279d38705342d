//! Masks and marks beside the evidence lie within the body or between the organs. On the air beside the patient a wrong mark
//! would be obviously wrong, and a control of a mask would cover nothing.

use super::*;

/// Bounds of the body, or of all organs together, in pixels.
const BODY: [u32; 4] = [30, 24, 74, 80];

/// Case with a nodule within [`BODY`]. A body is recorded for even numbers, and two organs for odd ones.
fn patient(number: usize) -> Case {
    let part = |id: &str, role: &str, bounds: [u32; 4]| {
        let mut part = region(id, id, bounds);
        part["role"] = json!(role);
        part
    };
    let [x0, y0, x1, y1] = BODY;
    let body = match number.is_multiple_of(2) {
        true => vec![part("body", "body", BODY)],
        false => vec![part("heart", "organ", [x0, 40, 50, y1]), part("lung", "organ", [52, y0, x1, 60])],
    };
    let regions = [vec![region("r", "nodule", [44, 40, 54, 52])], body].concat();
    let mut signal = item("signal", 3, "19", "Signal?", choice(&["bright", "dark"], number / 2 % 2));
    signal["evidence"] = json!(["r"]);
    case(&format!("patient-{number:02}"), json!(regions), json!([signal]))
}

#[test]
fn masks_and_marks_beside_the_evidence_stay_within_the_body() {
    // Id, keys, and pixels by which a mark may extend beyond the rectangle it marks: a line, a bow, or a shaft.
    let conditions = [
        ("random_mask", "kind = \"random_mask\"", 0),
        ("random_decay", "kind = \"random_decay\"\nshare = 67", 0),
        ("box", "kind = \"cue_wrong\"", 2),
        ("ellipse", "kind = \"cue_wrong\"\nshape = \"ellipse\"", 6),
        ("point", "kind = \"cue_wrong\"\nshape = \"point\"", 0),
        ("arrow", "kind = \"cue_wrong\"\nshape = \"arrow\"", 17),
    ];
    let suite = suite(&conditions.map(|(id, keys, _)| (id, keys)));
    let cases: Vec<Case> = (0..12).map(patient).collect();
    let plan = Plan::new(&suite, &cases);
    let [x0, y0, x1, y1] = BODY;
    for (id, _, reach) in conditions {
        assert_eq!(of(&plan, id).count(), cases.len(), "{id}: {:?}", plan.skipped);
        for entry in of(&plan, id) {
            let drawn = drawn(&plan, entry);
            assert!(!drawn.is_empty(), "{id}");
            let is_near =
                |(x, y): &(u32, u32)| (x0 - reach..x1 + reach).contains(x) && (y0 - reach..y1 + reach).contains(y);
            assert!(drawn.iter().all(is_near), "{id} of {}: {drawn:?}", plan.item(entry).0.case_id);
        }
    }
}
