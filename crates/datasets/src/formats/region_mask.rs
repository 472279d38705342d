//! Pixels of a region.

use std::fmt;
use std::rc::Rc;

use stepwise_data::image::Mask;

/// Mask of a region, made when it is written: annotations may hold thousands of regions on one large image, and memory
/// holds one mask at a time.
#[derive(Clone)]
pub(crate) struct RegionMask(Rc<dyn Fn() -> Mask>);

impl RegionMask {
    /// Takes the function that makes the mask.
    pub(crate) fn new(make: impl Fn() -> Mask + 'static) -> Self {
        Self(Rc::new(make))
    }

    /// Makes the mask.
    pub(crate) fn made(&self) -> Mask {
        (self.0)()
    }
}

impl fmt::Debug for RegionMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionMask")
    }
}
