//! Changes of images on synthetic cases: pure, of unchanged size, and without changes to protected pixels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy, PolicyInput};
use stepwise_benchmark::perturb::image::corruption::ssim::Reference;
use stepwise_benchmark::perturb::image::corruption::{TARGETS, TOLERANCE};
use stepwise_benchmark::perturb::support::evidence::evidence;
use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_benchmark::runner;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::{Answer, Case, Shape};
use stepwise_data::prompt::gold_text;
use stepwise_data::synth::{self, SynthOptions};
use stepwise_testing::benchmark::evaluate::{MockEvaluation, summary};
use stepwise_testing::benchmark::suite::{self, CORRUPTIONS};
use stepwise_testing::benchmark::values::expect;

struct World {
    cases: Vec<Case>,
    pictures: HashMap<String, Arc<RgbImage>>,
}

impl World {
    fn new(count: u64) -> Self {
        let options = SynthOptions { image_size: 96, ..SynthOptions::default() };
        let drawn: Vec<_> = (0..count).map(|index| synth::case(index, &options)).collect();
        let pictures = drawn.iter().map(|drawn| (drawn.case.case_id.clone(), Arc::new(drawn.image.clone()))).collect();
        Self { cases: drawn.into_iter().map(|drawn| drawn.case).collect(), pictures }
    }

    fn load(&self, case: &Case) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::clone(&self.pictures[&case.case_id]))
    }

    fn shown(&self, plan: &Plan<'_>, entry: PlanEntry) -> Arc<RgbImage> {
        let load = |case: &Case, _: usize| self.load(case);
        let mut shown = runner::pictures(plan, &load, entry).expect("pictures are there");
        assert_eq!(shown.len(), 1);
        shown.remove(0)
    }

    fn original(&self, entry: PlanEntry) -> &RgbImage {
        &self.pictures[&self.cases[entry.case].case_id]
    }
}

/// Returns a suite of `clean` and the given conditions, each with its id and the lines of its table.
fn suite(conditions: &[(&str, &str)]) -> Suite {
    suite::suite("seed = 5", &[&[("clean", "kind = \"clean\"")], conditions].concat())
}

/// Returns the plan's entries of one condition.
fn of<'a>(plan: &'a Plan<'_>, id: &'a str) -> impl Iterator<Item = PlanEntry> + 'a {
    plan.entries.iter().copied().filter(move |entry| plan.condition(*entry).id == id)
}

fn in_evidence(plan: &Plan<'_>, entry: PlanEntry) -> impl Fn(u32, u32) -> bool + use<> {
    let case = &plan.pool.cases()[entry.case];
    let rects: Vec<_> = evidence(case, &case.chain[entry.item]).into_iter().flat_map(|found| found.rects).collect();
    move |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        rects.iter().any(|rect| (rect.x0..rect.x1).contains(&x) && (rect.y0..rect.y1).contains(&y))
    }
}

fn changed(before: &RgbImage, after: &RgbImage) -> BTreeSet<(u32, u32)> {
    before
        .enumerate_pixels()
        .filter(|(x, y, pixel)| after.get_pixel(*x, *y) != *pixel)
        .map(|(x, y, _)| (x, y))
        .collect()
}

#[test]
fn every_condition_of_the_full_suite_is_pure_and_keeps_the_size() {
    let world = World::new(18);
    let suite = Suite::full();
    let plan = Plan::new(&suite, &world.cases);
    let reversed: Vec<Case> = world.cases.iter().rev().cloned().collect();
    let again = Plan::new(&suite, &reversed);
    let named = |plan: &Plan<'_>| -> BTreeSet<(String, String, String)> {
        let name = |entry: &PlanEntry| {
            let (case, item) = plan.item(*entry);
            (plan.condition(*entry).id.clone(), case.case_id.clone(), item.id.clone())
        };
        plan.entries.iter().map(name).collect()
    };
    assert_eq!(named(&plan), named(&again));
    // Only a few entries per condition, because their images are slow to make.
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for &entry in &plan.entries {
        let count = seen.entry(entry.condition).or_default();
        *count += 1;
        if *count > 2 {
            continue;
        }
        let other = PlanEntry { case: world.cases.len() - 1 - entry.case, ..entry };
        let load = |case: &Case, _: usize| world.load(case);
        let first = runner::pictures(&plan, &load, entry).expect("pictures are there");
        assert_eq!(first, runner::pictures(&again, &load, other).expect("there"), "{}", plan.condition(entry).id);
        assert!(first.iter().all(|picture| picture.dimensions() == (96, 96)), "{}", plan.condition(entry).id);
    }
    let never: Vec<_> = (0..suite.conditions.len()).filter(|c| !seen.contains_key(c)).collect();
    let never: BTreeSet<&str> = never.into_iter().map(|c| suite.conditions[c].id.as_str()).collect();
    let out_of_reach = ["premise", "parents", "rotation_4", "rotation_5"];
    // Synthetic regions are boxes and masks, whose contour is not recorded.
    let is_out_of_reach =
        |id: &&str| out_of_reach.iter().any(|start| id.starts_with(start)) || id.ends_with("_contour");
    assert!(never.iter().all(is_out_of_reach), "{never:?}");
}

#[test]
fn masks_cover_all_of_the_evidence_or_none_of_it() {
    let world = World::new(24);
    let suite = suite(&[
        ("mask", "kind = \"region_mask\"\ndilate = 0"),
        ("random", "kind = \"random_mask\"\ndilate = 0"),
        ("only", "kind = \"region_only\"\ndilate = 0"),
        ("random_only", "kind = \"random_only\"\ndilate = 0"),
        ("third", "kind = \"region_decay\"\nshare = 33\ndilate = 0"),
        ("most", "kind = \"region_decay\"\nshare = 67\ndilate = 0"),
        ("all", "kind = \"region_decay\"\nshare = 100\ndilate = 0"),
        ("none", "kind = \"region_decay\"\nshare = 0\ndilate = 0"),
        ("random_most", "kind = \"random_decay\"\nshare = 67\ndilate = 0"),
        ("blurred", "kind = \"region_decay\"\nshare = 100\nby = \"blur\"\ndilate = 0"),
    ]);
    let plan = Plan::new(&suite, &world.cases);
    let grey = Rgb([128; 3]);
    for id in suite.conditions.iter().map(|condition| condition.id.as_str()).filter(|id| *id != "clean") {
        assert!(of(&plan, id).count() > 20, "{id}");
        for entry in of(&plan, id) {
            let (before, after) = (world.original(entry), world.shown(&plan, entry));
            let inside = in_evidence(&plan, entry);
            let changed = changed(before, &after);
            match id {
                "mask" | "all" => {
                    let covered = before.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y));
                    assert!(covered.clone().count() > 0);
                    assert!(covered.map(|(x, y, _)| after.get_pixel(x, y)).all(|pixel| *pixel == grey));
                    assert!(changed.iter().all(|(x, y)| inside(*x, *y)));
                }
                "random" | "random_most" => assert!(!changed.iter().any(|(x, y)| inside(*x, *y))),
                "only" => {
                    let left = |x, y, pixel: &Rgb<u8>| if inside(x, y) { *pixel } else { grey };
                    assert!(before.enumerate_pixels().all(|(x, y, pixel)| *after.get_pixel(x, y) == left(x, y, pixel)));
                }
                "random_only" => {
                    let evident = before.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y));
                    assert!(evident.map(|(x, y, _)| after.get_pixel(x, y)).all(|pixel| *pixel == grey));
                }
                "none" => assert!(changed.is_empty()),
                _ => assert!(changed.iter().all(|(x, y)| inside(*x, *y)), "{id}"),
            }
        }
    }
    for (third, most) in of(&plan, "third").zip(of(&plan, "most")) {
        assert_eq!((third.case, third.item), (most.case, most.item));
        let covered = |entry| {
            let after = world.shown(&plan, entry);
            after
                .enumerate_pixels()
                .filter(|(_, _, pixel)| **pixel == grey)
                .map(|(x, y, _)| (x, y))
                .collect::<BTreeSet<_>>()
        };
        let (third, most) = (covered(third), covered(most));
        assert!(third.is_subset(&most) && third.len() < most.len());
    }
}

#[test]
fn marks_and_text_do_not_cover_the_evidence() {
    let mut world = World::new(24);
    // Outlines are recorded where synthetic cases record boxes.
    for region in world.cases.iter_mut().flat_map(|case| &mut case.regions) {
        if let Shape::Box { bounds: [x0, y0, x1, y1] } = region.shape {
            region.shape = Shape::Polygon { points: vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]] };
        }
    }
    let mut conditions = vec![
        ("visible".to_owned(), "kind = \"written_wrong\"".to_owned()),
        ("low".to_owned(), "kind = \"written_wrong\"\ncontrast = \"low\"".to_owned()),
        ("unrelated".to_owned(), "kind = \"written_unrelated\"\ncontrast = \"low\"".to_owned()),
    ];
    for shape in ["box", "ellipse", "contour", "arrow", "point"] {
        for kind in ["cue_wrong", "cue_neutral", "cue_true"] {
            let lines = format!("kind = \"{kind}\"\nshape = \"{shape}\"\ncolour = [1, 254, 3]");
            conditions.push((format!("{kind}.{shape}"), lines));
        }
    }
    let named: Vec<(&str, &str)> = conditions.iter().map(|(id, lines)| (id.as_str(), lines.as_str())).collect();
    let suite = suite(&named);
    let plan = Plan::new(&suite, &world.cases);
    for (id, _) in &conditions {
        // Most synthetic findings are masks, which have no recorded outline.
        let needs_outline = ["contour", "arrow", "point"].iter().any(|shape| id.ends_with(shape));
        assert!(of(&plan, id).count() >= if needs_outline { 3 } else { 12 }, "{id} {}", of(&plan, id).count());
        for entry in of(&plan, id) {
            let (before, after) = (world.original(entry), world.shown(&plan, entry));
            let inside = in_evidence(&plan, entry);
            let changed = changed(before, &after);
            assert!(!changed.is_empty(), "{id}");
            // Pixels of a true contour or ellipse may lie in another region's box, and a point lies in the region's
            // own box.
            if !id.starts_with("cue_true") {
                assert!(!changed.iter().any(|(x, y)| inside(*x, *y)), "{id}");
            }
            if id.starts_with("cue") {
                assert!(changed.iter().all(|(x, y)| *after.get_pixel(*x, *y) == Rgb([1, 254, 3])));
            }
            if id == "low" || id == "unrelated" {
                let furthest = before.iter().zip(after.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                assert_eq!(furthest, Some(8));
            }
        }
    }
    let words = |id: &str| of(&plan, id).map(|entry| (entry.case, entry.item)).collect::<Vec<_>>();
    assert_eq!(words("visible"), words("low"));
}

#[test]
fn corruptions_reach_their_similarity_and_grow_level_by_level() {
    let world = World::new(4);
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in CORRUPTIONS {
        let tables: Vec<(String, String)> =
            (1..=5).map(|level| (format!("{kind}.{level}"), format!("kind = \"{kind}\"\nlevel = {level}"))).collect();
        let named: Vec<(&str, &str)> = tables.iter().map(|(id, lines)| (id.as_str(), lines.as_str())).collect();
        let suite = suite(&named);
        let plan = Plan::new(&suite, &world.cases);
        for case in 0..world.cases.len() {
            let mut before = 1.0;
            for (level, (id, _)) in tables.iter().enumerate() {
                let entry = of(&plan, id).find(|entry| entry.case == case).expect("it applies to all");
                let similarity = Reference::new(world.original(entry)).ssim(&world.shown(&plan, entry));
                *reached.entry(kind).or_default() += usize::from((similarity - TARGETS[level]).abs() <= TOLERANCE);
                assert!(similarity <= before + TOLERANCE, "{id}, case {case}: {similarity} after {before}");
                before = similarity;
            }
        }
    }
    // JPEG quality and image size have whole steps and can miss the band. Blurs and curves are bound by the evidence, and
    // noise on few images. So only these kinds must reach the band on nearly every image.
    for kind in ["gaussian_noise", "shot_noise", "salt_pepper"] {
        assert!(reached[kind] >= 18, "{kind}: {reached:?}");
    }
    // On these small images the evidence allows weak blurs, blocks and curves only.
    let is_bound = |kind: &str| {
        let bound =
            ["gaussian_blur", "motion_blur", "defocus_blur", "pixelate", "resize", "brightness", "contrast", "gamma"];
        bound.contains(&kind)
    };
    assert!(reached.iter().all(|(kind, count)| *count >= if is_bound(kind) { 1 } else { 8 }), "{reached:?}");
}

#[test]
fn artefacts_apply_only_to_their_own_modality() {
    let world = World::new(24);
    let owners = [
        ("window_shift", "ct x-ray"),
        ("exposure", "x-ray"),
        ("grid_lines", "x-ray"),
        ("scatter", "x-ray"),
        ("metal_streak", "ct"),
        ("beam_hardening", "ct"),
        ("bias_field", "mri"),
        ("ghost", "mri"),
        ("acoustic_shadow", "ultrasound"),
        ("stain_shift", "histology"),
        ("specular", "fundus"),
    ];
    for (kind, owners) in owners {
        let lines = format!("kind = \"{kind}\"\nlevel = 2");
        let suite = suite(&[(kind, &lines)]);
        let plan = Plan::new(&suite, &world.cases);
        let mut cases = BTreeSet::new();
        for entry in of(&plan, kind) {
            assert!(owners.split(' ').any(|owner| owner == world.cases[entry.case].modality), "{kind}");
            if cases.insert(entry.case) {
                let similarity = Reference::new(world.original(entry)).ssim(&world.shown(&plan, entry));
                assert!((0.7..0.999).contains(&similarity), "{kind}: {similarity}");
            }
        }
        let owned = world.cases.iter().filter(|case| owners.split(' ').any(|owner| owner == case.modality)).count();
        assert_eq!(cases.len(), owned, "{kind}");
        let items: usize = world.cases.iter().map(|case| case.chain.len()).sum();
        assert_eq!(plan.skipped[1].values().sum::<usize>() + of(&plan, kind).count(), items);
    }
}

/// Mock model that always gives the stored answer, also for a flipped image.
struct Unturned;

impl Policy for Unturned {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let stored = synth::record(
            view.case.case_id[8..].parse().expect("an index"),
            &SynthOptions { image_size: 96, ..SynthOptions::default() },
        );
        let item = stored.chain.iter().find(|item| item.id == view.item.id).expect("the same chain");
        gold_text(&stored, item)
    }
}

#[test]
fn a_flip_changes_exactly_the_answers_that_depend_on_the_side() {
    let world = World::new(60);
    let suite = suite(&[("flip", "kind = \"flip\"")]);
    let plan = Plan::new(&suite, &world.cases);
    let load = |case: &Case, _: usize| world.load(case);
    let right = MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, Oracle));
    expect(&summary(&plan, &right, None), "accuracy:flip", 1.0);
    let unturned = MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, Unturned));
    let (mut turned, mut boxes) = (0, 0);
    for outcome in unturned.outcomes.iter().filter(|outcome| outcome.condition == "flip") {
        let case = world.cases.iter().find(|case| case.case_id == outcome.case_id).expect("known");
        let item = case.chain.iter().find(|item| item.id == outcome.item_id).expect("known");
        let dependent = item.laterality.as_ref().expect("the drawn world knows").dependent;
        if matches!(item.answer, Answer::Box { .. }) {
            boxes += usize::from(!outcome.is_right());
        } else {
            assert_eq!(outcome.is_right(), !dependent, "{} {}", outcome.case_id, outcome.item_id);
            turned += usize::from(dependent);
        }
    }
    assert!(turned > 10 && boxes > 10, "{turned} {boxes}");
}

#[test]
fn a_hint_follower_adopts_claims_in_the_image_and_an_oracle_does_not() {
    let world = World::new(60);
    let suite =
        suite(&[("wrong", "kind = \"cue_text_wrong\"\ncontrol = \"true\""), ("true", "kind = \"cue_text_true\"")]);
    let plan = Plan::new(&suite, &world.cases);
    let load = |case: &Case, _: usize| world.load(case);
    let follower = MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, HintFollower(BlindPrior)));
    let mut claims = 0;
    // The mock follower recognises a claimed answer by the options.
    for outcome in follower.outcomes.iter().filter(|outcome| outcome.options > 0 && outcome.condition != "clean") {
        assert_eq!((outcome.followed, outcome.is_right()), (true, outcome.condition == "true"), "{outcome:?}");
        claims += 1;
    }
    assert!(claims > 40, "{claims}");
    let looker = summary(&plan, &MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, Oracle)), None);
    assert_eq!(looker.conditions[1].followed, 0);
}

#[test]
fn swapped_and_blank_images_are_as_described() {
    let world = World::new(60);
    let suite = suite(&[
        ("same", "kind = \"swap_same\""),
        ("far", "kind = \"swap_far\""),
        ("mean", "kind = \"blank\"\nfill = \"mean\""),
        ("silent", "kind = \"no_image\""),
    ]);
    let plan = Plan::new(&suite, &world.cases);
    let whose = |picture: &RgbImage| {
        let found = world.pictures.iter().find(|(_, other)| ***other == *picture).expect("a picture of the pool");
        world.cases.iter().find(|case| case.case_id == *found.0).expect("known")
    };
    for id in ["same", "far", "mean", "silent"] {
        assert!(of(&plan, id).count() > 60, "{id}");
    }
    for entry in of(&plan, "same") {
        let (case, item) = plan.item(entry);
        let other = whose(&world.shown(&plan, entry));
        assert!(other.group_id != case.group_id && other.modality == case.modality);
        let agrees = |theirs: &stepwise_data::case::Item| {
            theirs.category == item.category && gold_text(other, theirs) == gold_text(case, item)
        };
        assert!(other.chain.iter().any(agrees), "{} {}", case.case_id, item.id);
    }
    for entry in of(&plan, "far") {
        assert_ne!(whose(&world.shown(&plan, entry)).modality, world.cases[entry.case].modality);
    }
    let mut colours: BTreeMap<&str, BTreeSet<[u8; 3]>> = BTreeMap::new();
    for entry in of(&plan, "mean").filter(|entry| entry.item == 0) {
        let shown = world.shown(&plan, entry);
        assert!(shown.pixels().all(|pixel| pixel == shown.get_pixel(0, 0)));
        colours.entry(&world.cases[entry.case].modality).or_default().insert(shown.get_pixel(0, 0).0);
    }
    assert!(colours.len() == 6 && colours.values().all(|colours| colours.len() == 1), "{colours:?}");
    let load = |case: &Case, _: usize| world.load(case);
    for entry in of(&plan, "silent").take(5) {
        assert!(runner::pictures(&plan, &load, entry).expect("nothing to read").is_empty());
    }
}
