//! Inner products of all pairs of vectors.

/// Symmetric matrix of the inner products of vectors with each other.
pub struct Gram {
    side: usize,
    products: Vec<f64>,
}

impl Gram {
    /// Computes the products of `vectors`, which have equal lengths.
    pub fn new(vectors: &[Vec<f32>]) -> Self {
        let side = vectors.len();
        let mut products = vec![0.0; side * side];
        for (i, first) in vectors.iter().enumerate() {
            for (j, second) in vectors[..=i].iter().enumerate() {
                let product = first.iter().zip(second).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                products[i * side + j] = product;
                products[j * side + i] = product;
            }
        }
        Self { side, products }
    }

    /// Returns the product of the vectors with the indices `i` and `j`, from 0.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.products[i * self.side + j]
    }

    /// Returns the mean squared distance of the vectors `rows`, at least one, from their mean.
    pub fn spread(&self, rows: &[usize]) -> f64 {
        let count = rows.len() as f64;
        let lengths: f64 = rows.iter().map(|&row| self.at(row, row)).sum();
        let products: f64 = rows.iter().flat_map(|&i| rows.iter().map(move |&j| self.at(i, j))).sum();
        (lengths / count - products / (count * count)).max(0.0)
    }
}

/// Shifts and scales each component to mean 0 and standard deviation 1 over all vectors. Components that are equal in all
/// vectors become 0.
pub fn standardise(vectors: &mut [Vec<f32>]) {
    let (count, width) = (vectors.len() as f64, vectors.first().map_or(0, Vec::len));
    for component in 0..width {
        let values = || vectors.iter().map(|vector| f64::from(vector[component]));
        let mean = values().sum::<f64>() / count;
        let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        // Rounding of a constant component is no information.
        let scale = if deviation > 1e-6 * mean.abs() { 1.0 / deviation } else { 0.0 };
        for vector in &mut *vectors {
            vector[component] = ((f64::from(vector[component]) - mean) * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_get_mean_0_and_deviation_1_and_constants_vanish() {
        let mut vectors = vec![vec![1.0, 5.0], vec![3.0, 5.0]];
        standardise(&mut vectors);
        assert_eq!(vectors, [[-1.0, 0.0], [1.0, 0.0]]);
        let gram = Gram::new(&vectors);
        assert_eq!([gram.at(0, 0), gram.at(0, 1), gram.at(1, 0), gram.at(1, 1)], [1.0, -1.0, -1.0, 1.0]);
    }
}
