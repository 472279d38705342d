//! Seeded noise fields and angles, computed by integer hashing and plain arithmetic only: the platform's sine and power
//! functions may differ in the last bit, and one bit can change a pixel.

/// Returns a number for a lattice point, uniform in `[0, 1)` and the same on every machine.
pub(super) fn hash(seed: u32, x: i32, y: i32) -> f64 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    f64::from(h ^ (h >> 16)) / 4_294_967_296.0
}

/// Returns white noise of mean 0 and standard deviation 1 (the sum of three uniforms) at a lattice point.
pub(super) fn grain(seed: u32, x: i32, y: i32) -> f64 {
    2.0 * (hash(seed, x, y) + hash(seed ^ 0x68BC_21EB, x, y) + hash(seed ^ 0x02E5_BE93, x, y) - 1.5)
}

/// Returns smooth noise in `[-1, 1]`, whose features are about one unit across, at a point.
pub(super) fn cloud(seed: u32, x: f64, y: f64) -> f64 {
    let (cell_x, cell_y) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - cell_x), ease(y - cell_y));
    let (i, j) = (cell_x as i32, cell_y as i32);
    let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
    let top = mix(hash(seed, i, j), hash(seed, i + 1, j), u);
    let bottom = mix(hash(seed, i, j + 1), hash(seed, i + 1, j + 1), u);
    2.0 * mix(top, bottom, v) - 1.0
}

/// Returns the distance of a point to the nearest of random points, one in each unit cell.
pub(super) fn cells(seed: u32, x: f64, y: f64) -> f64 {
    let (i, j) = (x.floor() as i32, y.floor() as i32);
    let mut nearest = f64::INFINITY;
    for (a, b) in (-1..=1).flat_map(|a| (-1..=1).map(move |b| (i + a, j + b))) {
        let dx = f64::from(a) + hash(seed, a, b) - x;
        let dy = f64::from(b) + hash(seed ^ 0x5BD1_E995, a, b) - y;
        nearest = nearest.min(dx * dx + dy * dy);
    }
    nearest.sqrt()
}

/// Returns cosine and sine of an angle in turns, accurate to about 1e-6 and normalised to unit length.
pub(super) fn direction(turns: f64) -> [f64; 2] {
    let quarters = (turns - turns.floor()) * 4.0;
    let quadrant = quarters.floor();
    // Taylor series around 0 of an angle in [-pi/4, pi/4], then a rotation by the eighth and by whole quarters.
    let angle = (quarters - quadrant - 0.5) * std::f64::consts::FRAC_PI_2;
    let square = angle * angle;
    let cosine = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0)));
    let sine = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)));
    let eighth = std::f64::consts::FRAC_1_SQRT_2;
    let [c, s] = [(cosine - sine) * eighth, (cosine + sine) * eighth];
    let length = (c * c + s * s).sqrt();
    let [c, s] = [c / length, s / length];
    match quadrant as u8 {
        0 => [c, s],
        1 => [-s, c],
        2 => [-c, -s],
        _ => [s, -c],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_agree_with_cosine_and_sine() {
        for step in -40..90 {
            let turns = f64::from(step) / 37.0;
            let [c, s] = direction(turns);
            let angle = turns * std::f64::consts::TAU;
            assert!((c - angle.cos()).abs() < 1e-5 && (s - angle.sin()).abs() < 1e-5, "{turns}");
        }
    }

    #[test]
    fn grain_has_the_stated_moments() {
        let samples: Vec<f64> = (0..20_000).map(|i| grain(9, i % 141, i / 141)).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let variance = samples.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
