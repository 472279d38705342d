//! Values of tensors between the memory of the host and a device.

use std::cell::Cell;

use burn::tensor::kind::Basic;
use burn::tensor::{Device, Element, Tensor, TensorData};

thread_local! {
    static READS: Cell<u64> = const { Cell::new(0) };
    static WRITES: Cell<u64> = const { Cell::new(0) };
}

/// Returns the values of `tensor` as f32, row by row. A GPU finishes all its work before it delivers them, so that a
/// training step needs as few calls as possible; [`host_reads`] counts them.
///
/// # Panics
/// When the device fails to deliver the values.
#[must_use]
pub fn values_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    READS.set(READS.get() + 1);
    // Only a type other than the requested one is refused, and the conversion makes it f32.
    tensor.into_data().convert::<f32>().try_into_vec().expect("values of a tensor")
}

/// Returns how often the current thread has called [`values_of`].
#[must_use]
pub fn host_reads() -> u64 {
    READS.get()
}

/// Makes a tensor of this shape on `device` from its values, row by row. A GPU copies them from the memory of the host, so that
/// a training step needs as few calls as possible; [`host_writes`] counts them.
///
/// # Panics
/// When there are more or fewer values than the shape has.
#[must_use]
pub fn tensor_of<const D: usize, K: Basic>(
    values: Vec<impl Element>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, K> {
    WRITES.set(WRITES.get() + 1);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Makes a tensor with one row of values on `device`; counted like [`tensor_of`].
#[must_use]
pub fn row_of<K: Basic>(values: Vec<impl Element>, device: &Device) -> Tensor<1, K> {
    let length = values.len();
    tensor_of(values, [length], device)
}

/// Returns how often the current thread has called [`tensor_of`] and [`row_of`].
#[must_use]
pub fn host_writes() -> u64 {
    WRITES.get()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType};

    use super::*;
    use crate::testing;

    #[test]
    fn every_float_type_gives_all_its_values() {
        let tensor = testing::values([3, 5], 1);
        assert_eq!(values_of(tensor.clone()), testing::read(tensor.clone()));
        assert_eq!(values_of(tensor.clone().transpose()), testing::read(tensor.clone().transpose()));
        for dtype in [FloatDType::F16, FloatDType::BF16, FloatDType::F64] {
            let apart = values_of(tensor.clone().cast(dtype))
                .iter()
                .zip(values_of(tensor.clone()))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(apart < 0.02, "{dtype:?}: {apart}");
            assert_eq!(values_of(tensor.clone().cast(dtype)).len(), 15, "{dtype:?}");
        }
        assert!(values_of(Tensor::<2>::zeros([0, 4], &Device::flex())).is_empty());
    }
}
