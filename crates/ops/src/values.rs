//! Values of a tensor in host memory.

use burn::tensor::Tensor;

/// Returns the values of `tensor` as f32, row by row.
///
/// # Panics
/// When the device fails to deliver the values.
#[must_use]
pub fn values_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    // Only a type other than the requested one is refused, and the conversion makes it f32.
    tensor.into_data().convert::<f32>().try_into_vec().expect("values of a tensor")
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
