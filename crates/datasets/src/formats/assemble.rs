//! Cases: all questions about one set of images in the order of their stages.

use std::collections::BTreeMap;

use stepwise_data::case::{Answer, Case, Item, Region, SCHEMA, Source, Split};
use stepwise_data::image::sha256_hex;
use stepwise_data::split::join;

use super::format::NOT_RECORDED;
use super::kept::{KeptQuestion, KeptRow};
use super::pictures::Pictures;
use super::report::FormatReport;
use crate::output::slug;

/// What all cases of an import have in common.
pub(super) struct Common {
    /// Name of the data set.
    pub(super) dataset: String,
    /// Name, without extension, of the only file that is imported; None for a folder. Ids of cases have it, so that tables
    /// of one folder about the same images can be used together.
    pub(super) file: Option<String>,
    /// Licence of the images as the user states it; None for the one that the source states.
    pub(super) licence: Option<String>,
    /// Whether all cases are credentialed.
    pub(super) credentialed: bool,
    /// Modality of rows that record none.
    pub(super) modality: String,
}

/// Returns a case for each set of images, sorted by case id, with the rows' side of the split (training where there is
/// none yet). Cases that share an image or a link get one group.
pub(super) fn cases(rows: &[KeptRow], pictures: &Pictures, common: &Common, report: &mut FormatReport) -> Vec<Case> {
    let mut by_images: BTreeMap<&[usize], Vec<&KeptRow>> = BTreeMap::new();
    rows.iter().for_each(|row| by_images.entry(&row.images).or_default().push(row));
    let mut cases: Vec<(Case, Vec<&KeptRow>)> =
        by_images.into_iter().map(|(images, rows)| (case(images, &rows, pictures, common, report), rows)).collect();
    cases.sort_by(|one, other| one.0.case_id.cmp(&other.0.case_id));
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut shared = Vec::new();
    for (place, (_, rows)) in cases.iter().enumerate() {
        let links = rows.iter().flat_map(|row| &row.links).map(|link| format!("link {link}"));
        let images = rows.iter().flat_map(|row| &row.images).map(|image| format!("image {image}"));
        for name in links.chain(images) {
            shared.push((place, *first.entry(name).or_insert(place)));
        }
    }
    let groups: Vec<String> =
        join(cases.len(), shared).into_iter().map(|place| cases[place].0.group_id.clone()).collect();
    let grouped = cases.into_iter().zip(groups);
    grouped.map(|((case, _), group)| Case { group_id: group, ..case }).collect()
}

fn case(images: &[usize], rows: &[&KeptRow], pictures: &Pictures, common: &Common, report: &mut FormatReport) -> Case {
    let records: Vec<_> = images.iter().map(|index| &pictures.all[*index]).collect();
    let name = match &records[..] {
        [only] => only.name.clone(),
        several => {
            let digests: String = several.iter().map(|picture| picture.image.sha256.as_str()).collect();
            let first = several.first().map_or("", |picture| picture.name.as_str());
            format!("{first}-and-{}-{}", several.len().saturating_sub(1), &sha256_hex(digests.as_bytes())[..8])
        }
    };
    let image_id = |index: usize| format!("i{index}");
    let mut regions: Vec<Region> = Vec::new();
    let mut questions: Vec<(Asked<'_>, Vec<String>)> = Vec::new();
    for (row_index, row) in rows.iter().enumerate() {
        let mut ids = Vec::new();
        for (image, region) in &row.regions {
            let image = image_id(*image);
            let same =
                |known: &&Region| known.image == image && known.label == region.label && known.shape == region.shape;
            let id = match regions.iter().find(same) {
                Some(known) => known.id.clone(),
                None => {
                    let id = format!("r{}", regions.len());
                    regions.push(Region { id: id.clone(), image, ..region.clone() });
                    id
                }
            };
            ids.push(id);
        }
        for (index, question) in row.questions.iter().enumerate() {
            questions.push((Asked { row: row_index, index, question }, ids.clone()));
        }
    }
    // Questions of one stage stay in the order of the source.
    questions.sort_by_key(|(asked, _)| asked.question.mapped.stage);
    let mut places: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut chain = Vec::new();
    for (place, (asked, regions)) in questions.iter().enumerate() {
        let parents = asked.question.parent.and_then(|parent| match places.get(&(asked.row, parent)) {
            Some(place) => Some(format!("q{place}")),
            // An earlier turn of a later stage comes after its child in the chain, so it cannot be its parent.
            None => {
                let what = "turns whose earlier turn is of a later stage: not linked";
                report.parts_left_out.add(what, rows[asked.row].place.short());
                None
            }
        });
        places.insert((asked.row, asked.index), place);
        chain.push(item(place, asked.question, parents, regions));
        let found = report.categories.entry(asked.question.mapped.category.clone()).or_default();
        found.add(asked.question.mapped.found_by.clone(), asked.question.text.clone());
    }
    join_pairs(&mut chain, &questions);
    let parts = std::iter::once(&common.dataset).chain(&common.file).map(|part| slug(part));
    let case_id = format!("{}-{name}", parts.collect::<Vec<_>>().join("-"));
    let text = |find: fn(&KeptRow) -> Option<&String>| rows.iter().find_map(|row| find(row)).cloned();
    let group = rows.iter().find_map(|row| row.links.first()).cloned().unwrap_or_else(|| name.clone());
    Case {
        schema: SCHEMA.into(),
        group_id: format!("{}:{group}", common.dataset),
        split: rows.iter().find_map(|row| row.split).unwrap_or(Split::Train),
        source: Source {
            dataset: common.dataset.clone(),
            revision: text(|row| row.revision.as_ref()),
            licence: common
                .licence
                .clone()
                .or_else(|| text(|row| row.licence.as_ref()))
                .unwrap_or_else(|| NOT_RECORDED.to_owned()),
            credentialed: common.credentialed || rows.iter().any(|row| row.credentialed),
        },
        modality: text(|row| row.modality.as_ref()).unwrap_or_else(|| common.modality.clone()),
        body_region: text(|row| row.body_region.as_ref()),
        risk_tier: text(|row| row.risk_tier.as_ref()),
        images: records
            .iter()
            .enumerate()
            .map(|(index, picture)| stepwise_data::case::Image { id: image_id(index), ..picture.image.clone() })
            .collect(),
        regions,
        chain,
        case_id,
    }
}

/// Links the yes/no questions that share the name of a pair, when these are two with opposite answers.
fn join_pairs(chain: &mut [Item], questions: &[(Asked<'_>, Vec<String>)]) {
    let mut pairs: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, (asked, _)) in questions.iter().enumerate() {
        if let Some(name) = &asked.question.pair {
            pairs.entry(name).or_default().push(place);
        }
    }
    let gold = |item: &Item| match item.answer {
        Answer::Yesno { gold, .. } => Some(gold),
        _ => None,
    };
    for places in pairs.values() {
        let [one, other] = places[..] else { continue };
        let (Some(first), Some(second)) = (gold(&chain[one]), gold(&chain[other])) else { continue };
        if first == second {
            continue;
        }
        for (place, twin) in [(one, other), (other, one)] {
            let id = chain[twin].id.clone();
            if let Answer::Yesno { pair_of, .. } = &mut chain[place].answer {
                *pair_of = Some(id);
            }
        }
    }
}

/// A question with its row in the case and its index in the row.
struct Asked<'a> {
    row: usize,
    index: usize,
    question: &'a KeptQuestion,
}

fn item(place: usize, question: &KeptQuestion, parent: Option<String>, regions: &[String]) -> Item {
    let named = |index: usize| regions.get(index).cloned();
    let answer = match &question.answer {
        Answer::Box { gold, iou_ok } => {
            let mut ids: Vec<String> = gold.iter().filter_map(|index| named(index.parse().ok()?)).collect();
            ids.dedup();
            Answer::Box { gold: ids, iou_ok: *iou_ok }
        }
        other => other.clone(),
    };
    let mut evidence: Vec<String> = question.evidence.iter().filter_map(|index| named(*index)).collect();
    evidence.dedup();
    Item {
        id: format!("q{place}"),
        stage: question.mapped.stage,
        category: question.mapped.category.clone(),
        parents: parent.into_iter().collect(),
        question: question.text.clone(),
        answer,
        evidence,
        confusable: Vec::new(),
        paraphrases: Vec::new(),
        rationale: question.rationale.clone(),
        laterality: question.laterality.clone(),
        vision_required: question.mapped.vision_required,
    }
}
