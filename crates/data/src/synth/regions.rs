//! The regions of a placed case, read off the same shapes as the picture.

use image::GrayImage;

use super::facts::Facts;
use super::raster;
use super::scene::Scene;
use super::shape::Shape;
use crate::case::{Region, RegionRole, Shape as Outline};

/// The only image of a case.
pub(super) const IMAGE: &str = "i0";

/// An organ that may be missing and would be in plain view.
pub(super) struct Organ {
    pub(super) label: &'static str,
    /// Its region, where it is present.
    pub(super) region: Option<String>,
}

/// Regions of a case, the pictures of its mask regions, and what questions may be asked about organs.
pub(super) struct Regions {
    pub(super) all: Vec<Region>,
    /// Region id and mask.
    pub(super) masks: Vec<(String, GrayImage)>,
    pub(super) organs: Vec<Organ>,
}

impl Regions {
    /// `mask_path` names the file of a region's mask.
    pub(super) fn of(facts: &Facts, scene: &Scene, side: u32, mask_path: &dyn Fn(&str) -> String) -> Self {
        let mut regions = Self { all: Vec::new(), masks: Vec::new(), organs: Vec::new() };
        let body = raster::mask(&[&scene.body, &scene.view], side);
        regions.add_mask("body", "body", RegionRole::Body, body.clone(), mask_path);
        if facts.sufficient {
            regions.add_organs(scene, &body, side);
            for (number, lesion) in scene.lesions.iter().enumerate() {
                let mask = raster::mask(&[&lesion.outline], side);
                regions.add_mask(&format!("finding-{}", number + 1), "finding", RegionRole::Finding, mask, mask_path);
            }
            regions.add_box("sign", facts.sign.name(), RegionRole::Finding, scene.sign.as_ref(), side);
            regions.add_box("device", facts.device.name(), RegionRole::Device, scene.device.as_ref(), side);
        }
        regions.add_box("marker", "side marker", RegionRole::Reference, scene.marker.as_ref(), side);
        regions.add_box("cross", "cross", RegionRole::Reference, scene.cross.as_ref(), side);
        for (colour, [x0, y0, x1, y1]) in &scene.marks {
            let frame = Shape::Rect { low: [*x0, *y0], high: [*x1, *y1] };
            let label = format!("{} mark", colour.name());
            regions.add_box(&format!("mark-{}", colour.name()), &label, RegionRole::Reference, Some(&frame), side);
        }
        regions
    }

    pub(super) fn get(&self, id: &str) -> Option<&Region> {
        self.all.iter().find(|region| region.id == id)
    }

    /// Ids of all drawn findings, signs aside.
    pub(super) fn findings(&self) -> Vec<String> {
        self.all.iter().filter(|region| region.label == "finding").map(|region| region.id.clone()).collect()
    }

    fn add_organs(&mut self, scene: &Scene, body: &GrayImage, side: u32) {
        for placed in &scene.parts {
            let part = &placed.part;
            let shape = raster::mask(&[&part.shape], side);
            let seen = raster::both(&shape, body);
            let region = placed
                .present
                .then(|| self.add(&format!("organ-{}", part.label), part.label, RegionRole::Organ, &seen))
                .flatten();
            // Whether it may be asked about must not depend on whether it is there.
            let whole = raster::area(&shape);
            let plain = raster::area(&seen) * 10 >= whole * 7 && whole * 400 >= (side * side) as usize;
            if part.optional && plain {
                self.organs.push(Organ { label: part.label, region });
            }
        }
    }

    fn add_box(&mut self, id: &str, label: &str, role: RegionRole, shape: Option<&Shape>, side: u32) {
        if let Some(shape) = shape {
            self.add(id, label, role, &raster::mask(&[shape], side));
        }
    }

    /// A box region around the mask; none when no pixel of it is seen.
    fn add(&mut self, id: &str, label: &str, role: RegionRole, mask: &GrayImage) -> Option<String> {
        let bounds = raster::bounds(mask)?;
        let shape = Outline::Box { bounds };
        self.all.push(Region { id: id.into(), image: IMAGE.into(), label: label.into(), shape, role });
        Some(id.into())
    }

    fn add_mask(
        &mut self,
        id: &str,
        label: &str,
        role: RegionRole,
        mask: GrayImage,
        mask_path: &dyn Fn(&str) -> String,
    ) {
        if let Some(bounds) = raster::bounds(&mask) {
            let shape = Outline::Mask { path: mask_path(id), bounds };
            self.all.push(Region { id: id.into(), image: IMAGE.into(), label: label.into(), shape, role });
            self.masks.push((id.into(), mask));
        }
    }
}
