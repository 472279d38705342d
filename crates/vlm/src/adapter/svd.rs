//! The largest singular values of a matrix with their vectors, by the Lanczos process on `M^T M` with full
//! reorthogonalisation (Golub and Van Loan, Matrix Computations, section 10.1).

use rand::RngCore;
use stepwise_data::random::stream;

use super::tridiagonal;

/// Singular value with its left and right singular vectors, each of length 1.
pub(super) struct Triplet {
    /// Singular value, at least 0.
    pub value: f64,
    /// Left singular vector, one value per row of the matrix.
    pub left: Vec<f64>,
    /// Right singular vector, one value per column of the matrix.
    pub right: Vec<f64>,
}

/// Largest accepted residual of an eigenpair, as a fraction of the largest eigenvalue of `M^T M`.
const TOLERANCE: f64 = 1e-12;

/// Lanczos steps between two convergence checks.
const STEPS: usize = 24;

/// Returns the `count` largest singular values with their vectors, in descending order. `matrix` is `[rows, columns]`
/// in row-major order; `count` is at most its shorter side.
pub(super) fn leading(matrix: &[f32], [rows, columns]: [usize; 2], count: usize) -> Vec<Triplet> {
    let wide = columns > rows;
    // Eigenvectors are computed on the shorter side; a wide matrix is transposed.
    let (long, short) = if wide { (columns, rows) } else { (rows, columns) };
    let matrix: Vec<f64> = match wide {
        false => matrix.iter().map(|value| f64::from(*value)).collect(),
        true => (0..long * short).map(|at| f64::from(matrix[at % short * columns + at / short])).collect(),
    };
    let mut triplets: Vec<Triplet> = eigenvectors(&matrix, short, count)
        .into_iter()
        .map(|right| {
            let mut left = times(&matrix, &right);
            let value = norm(&left);
            left.iter_mut().for_each(|entry| *entry /= value.max(f64::MIN_POSITIVE));
            if wide { Triplet { value, left: right, right: left } } else { Triplet { value, left, right } }
        })
        .collect();
    triplets.sort_by(|a, b| b.value.total_cmp(&a.value));
    triplets
}

/// Returns the eigenvectors of `M^T M` for its `count` largest eigenvalues; `M` has `width` columns.
fn eigenvectors(matrix: &[f64], width: usize, count: usize) -> Vec<Vec<f64>> {
    let mut random = stream(0, &["lanczos"]);
    let mut fresh =
        || (0..width).map(|_| f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5).collect::<Vec<f64>>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut next = fresh();
    let length = norm(&next);
    next.iter_mut().for_each(|entry| *entry /= length);
    loop {
        let mut image = transposed_times(matrix, &times(matrix, &next));
        diagonal.push(dot(&image, &next));
        basis.push(next);
        orthogonalise(&mut image, &basis);
        let mut length = norm(&image);
        let largest = diagonal.iter().fold(0.0f64, |most, value: &f64| most.max(value.abs()));
        let steps = basis.len();
        if steps == width || (steps >= count && (steps - count).is_multiple_of(STEPS)) {
            let (values, vectors) = tridiagonal::eigen(&diagonal, &beside);
            let mut order: Vec<usize> = (0..steps).collect();
            order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
            order.truncate(count);
            let open = |index: &usize| length * vectors[*index][steps - 1].abs() > TOLERANCE * values[order[0]].abs();
            if steps == width || !order.iter().any(open) {
                return order.iter().map(|index| combined(&basis, &vectors[*index])).collect();
            }
        }
        if length <= TOLERANCE * largest {
            // The Krylov space of the start vector is exhausted: continue with a new vector orthogonal to it.
            image = fresh();
            orthogonalise(&mut image, &basis);
            beside.push(0.0);
            length = norm(&image);
        } else {
            beside.push(length);
        }
        image.iter_mut().for_each(|entry| *entry /= length);
        next = image;
    }
}

/// Makes `vector` orthogonal to `basis`, in two rounds, because one round leaves rounding errors.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for other in basis {
            let along = dot(vector, other);
            vector.iter_mut().zip(other).for_each(|(entry, other)| *entry -= along * other);
        }
    }
}

fn combined(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; basis[0].len()];
    for (vector, weight) in basis.iter().zip(weights) {
        sum.iter_mut().zip(vector).for_each(|(sum, entry)| *sum += weight * entry);
    }
    sum
}

fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

fn transposed_times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; matrix.len() / vector.len()];
    for (row, weight) in matrix.chunks_exact(sum.len()).zip(vector) {
        sum.iter_mut().zip(row).for_each(|(sum, entry)| *sum += weight * entry);
    }
    sum
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four independent sums, so that the compiler can use vector instructions.
    let mut sums = [0.0; 4];
    let (a_fours, b_fours) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_fours.remainder().iter().zip(b_fours.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_fours.zip(b_fours) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix `[rows, columns]` with the singular values `values`; its singular vectors are columns of
    /// Householder reflections.
    fn known(rows: usize, columns: usize, values: &[f64]) -> Vec<f32> {
        let reflect = |at: usize, index: usize, size: usize| {
            let v = |i: usize| ((i * 7 + size) % 5) as f64 - 1.5;
            let square: f64 = (0..size).map(|i| v(i).powi(2)).sum();
            f64::from(u8::from(at == index)) - 2.0 * v(at) * v(index) / square
        };
        let entry = |row, column| -> f64 {
            let terms = values.iter().enumerate();
            terms.map(|(i, value)| value * reflect(row, i, rows) * reflect(column, i, columns)).sum()
        };
        (0..rows * columns).map(|at| entry(at / columns, at % columns) as f32).collect()
    }

    #[test]
    fn singular_values_and_products_equal_the_known_ones() {
        for [rows, columns] in [[40, 30], [30, 40], [6, 6], [7, 90]] {
            // A double singular value: from one start vector, Lanczos finds only one of its two vectors.
            let values = [6.0, 5.0, 5.0, 2.0, 1.0, 0.5];
            let matrix = known(rows, columns, &values);
            for count in [1, 3, 6] {
                let found = leading(&matrix, [rows, columns], count);
                assert_eq!(found.len(), count);
                for (found, value) in found.iter().zip(values) {
                    assert!((found.value - value).abs() < 1e-5, "{rows}x{columns}: {} for {value}", found.value);
                }
                let best = known(rows, columns, &values[..count]);
                for (at, best) in best.iter().enumerate() {
                    let sum: f64 = found.iter().map(|t| t.value * t.left[at / columns] * t.right[at % columns]).sum();
                    assert!((sum - f64::from(*best)).abs() < 1e-5, "{rows}x{columns} rank {count}");
                }
            }
        }
    }
}
