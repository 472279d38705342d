//! Ridge classifier on inner products: least squares with an L2 penalty on one target per class, 1 for the class of a row
//! and -1 for the others, as `RidgeClassifier` of scikit-learn. It is solved in its dual form (Saunders, Gammerman and
//! Vovk, 1998), whose size is the number of rows and not the number of features.

use super::gram::Gram;

/// A fitted classifier.
pub struct Ridge {
    /// Rows of the Gram matrix that the classifier was fitted on.
    rows: Vec<usize>,
    /// Mean inner product of each of these rows with all of them.
    means: Vec<f64>,
    /// Dual coefficients: one vector per class, as long as `rows`.
    coefficients: Vec<Vec<f64>>,
    /// Intercept of each class.
    intercepts: Vec<f64>,
}

impl Ridge {
    /// Fits a classifier on `rows` of `gram`, at least one. `class_of[k]` is the class of `rows[k]`, from 0 and below
    /// `classes`. `penalty` is the weight of the squared coefficients, positive. Features and targets are centred, so the
    /// intercept has no penalty.
    pub fn fit(gram: &Gram, rows: &[usize], class_of: &[usize], classes: usize, penalty: f64) -> Self {
        let count = rows.len();
        let means: Vec<f64> = rows.iter().map(|&row| mean(rows.iter().map(|&other| gram.at(row, other)))).collect();
        let grand = mean(means.iter().copied());
        let mut matrix = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..count {
                matrix[i * count + j] = gram.at(rows[i], rows[j]) - means[i] - means[j] + grand;
            }
            matrix[i * count + i] += penalty;
        }
        decompose(&mut matrix, count);
        let (coefficients, intercepts) = (0..classes)
            .map(|class| {
                let mut targets: Vec<f64> = class_of.iter().map(|own| if *own == class { 1.0 } else { -1.0 }).collect();
                let intercept = mean(targets.iter().copied());
                targets.iter_mut().for_each(|target| *target -= intercept);
                solve(&matrix, &mut targets);
                (targets, intercept)
            })
            .unzip();
        Self { rows: rows.to_vec(), means, coefficients, intercepts }
    }

    /// Returns the decision value of each class for `row` of `gram`, which may be any of its rows. The class with the
    /// largest value is the prediction.
    pub fn decisions(&self, gram: &Gram, row: usize) -> Vec<f64> {
        // The coefficients of a class add up to 0, so the other terms of the centred inner products vanish.
        let products: Vec<f64> =
            self.rows.iter().zip(&self.means).map(|(&other, mean)| gram.at(row, other) - mean).collect();
        let value = |(coefficients, intercept): (&Vec<f64>, &f64)| {
            coefficients.iter().zip(&products).map(|(own, product)| own * product).sum::<f64>() + intercept
        };
        self.coefficients.iter().zip(&self.intercepts).map(value).collect()
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Replaces the lower triangle of a positive definite matrix of `side` rows by its Cholesky factor.
fn decompose(matrix: &mut [f64], side: usize) {
    for i in 0..side {
        let (done, rest) = matrix.split_at_mut(i * side);
        let row = &mut rest[..=i];
        for j in 0..i {
            let other = &done[j * side..=j * side + j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
    }
}

/// Solves the system whose Cholesky factor is the lower triangle of `factor`; `values` holds the right side, then the
/// solution.
fn solve(factor: &[f64], values: &mut [f64]) {
    let side = values.len();
    for i in 0..side {
        let row = &factor[i * side..];
        values[i] = (values[i] - dot(&row[..i], &values[..i])) / row[i];
    }
    for i in (0..side).rev() {
        values[i] /= factor[i * side + i];
        let (rest, own) = (&factor[i * side..i * side + i], values[i]);
        values[..i].iter_mut().zip(rest).for_each(|(value, part)| *value -= part * own);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        features: Vec<Vec<f32>>,
        classes: Vec<usize>,
        fitted: usize,
        penalties: Vec<f64>,
        decisions: Vec<Vec<Vec<f64>>>,
    }

    #[test]
    fn decisions_are_those_of_scikit_learn() {
        let reference: Reference =
            serde_json::from_str(include_str!("../../../../tests/parity/ridge.json")).expect("the committed reference");
        let gram = Gram::new(&reference.features);
        let rows: Vec<usize> = (0..reference.fitted).collect();
        let classes = reference.classes.iter().max().expect("classes") + 1;
        for (penalty, expected) in reference.penalties.iter().zip(&reference.decisions) {
            let ridge = Ridge::fit(&gram, &rows, &reference.classes[..reference.fitted], classes, *penalty);
            assert_eq!(expected.len(), reference.features.len());
            for (row, expected) in expected.iter().enumerate() {
                let found = ridge.decisions(&gram, row);
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{penalty} {row}: {found} {expected}");
                }
            }
        }
    }
}
