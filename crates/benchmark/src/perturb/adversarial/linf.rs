//! Arithmetic of attacks within an L-infinity ball: a step along signs, then clipping to the range of pixels. Single
//! precision and the order of operations match the usual tools to the last bit.

/// Converts the size `eps_255` of an attack, in 255ths of the full scale, to a share of the full scale: the nearest
/// single-precision number to `eps_255 / 255`.
#[must_use]
pub fn radius(eps_255: f64) -> f32 {
    (eps_255 / 255.0) as f32
}

/// Returns the sign of the derivative `gradient`: -1, 0 or 1; 0 for NaN.
#[must_use]
pub fn sign(gradient: f32) -> f32 {
    if gradient > 0.0 {
        1.0
    } else if gradient < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Replaces every pixel with `clamp(pixel + size * direction, 0, 1)`, in place. `size` is in shares of the full scale,
/// and `directions` must give one value per pixel; pixels after the last direction stay as they are.
pub fn step(pixels: &mut [f32], size: f32, directions: impl Iterator<Item = f32>) {
    for (pixel, direction) in pixels.iter_mut().zip(directions) {
        *pixel = (*pixel + size * direction).clamp(0.0, 1.0);
    }
}

/// Moves every pixel, in place, to `pixel + size * direction`, clips the difference from `origin` to
/// `-radius..=radius`, and clips the resulting pixel to `0..=1`. This is the projected step of Madry et al. (2018).
/// `size` and `radius` are in shares of the full scale; `origin` holds the pixels before the attack. All sequences must
/// have one value per pixel; pixels after the shortest one stay as they are.
pub fn projected_step(
    pixels: &mut [f32],
    origin: &[f32],
    size: f32,
    radius: f32,
    directions: impl Iterator<Item = f32>,
) {
    for ((pixel, origin), direction) in pixels.iter_mut().zip(origin).zip(directions) {
        let change = (*pixel + size * direction - origin).clamp(-radius, radius);
        *pixel = (origin + change).clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_exact_to_the_last_bit() {
        let mut pixels = [0.5, 0.0, 1.0, 0.25, 0.999];
        step(&mut pixels, radius(2.0), [3.0e-9, -1.0, 5.0, 0.0, 1.0].map(sign).into_iter());
        // 2/255 in single precision is 0x3C008081, and 0.5 + 2/255 is 0x3F020202.
        assert_eq!(pixels.map(f32::to_bits), [0x3F02_0202, 0, 0x3F80_0000, 0x3E80_0000, 0x3F80_0000]);
        assert_eq!((radius(2.0).to_bits(), sign(f32::NAN)), (0x3C00_8081, 0.0));
    }

    proptest! {
        #[test]
        fn a_step_stays_in_range_and_in_the_ball(
            pixels in prop::collection::vec(0.0f32..=1.0, 1..50), eps in 0.0f64..16.0, seed in any::<u64>()
        ) {
            let mut moved = pixels.clone();
            step(&mut moved, radius(eps), (0..).map(|i| if (seed >> (i % 64)) & 1 == 1 { 1.0 } else { -1.0 }));
            for (new, old) in moved.iter().zip(&pixels) {
                prop_assert!((0.0..=1.0).contains(new) && (new - old).abs() <= radius(eps) + f32::EPSILON);
            }
        }

        #[test]
        fn no_walk_leaves_the_ball_and_a_long_one_reaches_its_edge(
            origin in prop::collection::vec(0.0f32..=1.0, 1..50), eps in 0.1f64..16.0, steps in 1usize..40
        ) {
            let mut walked = origin.clone();
            for _ in 0..steps {
                projected_step(&mut walked, &origin, radius(eps / 8.0), radius(eps), std::iter::repeat(1.0));
            }
            let went = (steps as f32 / 8.0).min(1.0) * radius(eps);
            for (new, old) in walked.iter().zip(&origin) {
                prop_assert!((0.0..=1.0).contains(new) && (new - old).abs() <= radius(eps) + f32::EPSILON);
                prop_assert!((new - (old + went).min(1.0)).abs() < 1e-5);
            }
        }
    }
}
