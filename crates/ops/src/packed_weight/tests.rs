use super::*;

fn drawn(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * step) % 1009) as f32 / 504.0 - 1.0).collect()
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| Pair::new(*value, 0.0).halves()[0]).collect()
}

/// Product of `a`, `[rows, inner]`, and `b`, `[inner, columns]`, in f64.
fn exact(a: &[f32], b: impl Fn(usize, usize) -> f32, rows: usize, inner: usize, columns: usize) -> Vec<f64> {
    let value = |row: usize, column: usize| -> f64 {
        (0..inner).map(|step| f64::from(a[row * inner + step]) * f64::from(b(step, column))).sum()
    };
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| value(r, c)).collect()
}

fn assert_close(mine: &[f32], exact: &[f64], what: &str) {
    assert_eq!(mine.len(), exact.len());
    for (mine, exact) in mine.iter().zip(exact) {
        assert!((f64::from(*mine) - exact).abs() <= 1e-5 * exact.abs().max(10.0), "{what}: {mine} for {exact}");
    }
}

const SIDES: [[usize; 3]; 7] =
    [[1, 1, 1], [3, 5, 7], [8, 32, 32], [9, 33, 31], [40, 64, 96], [70, 129, 200], [0, 4, 6]];

#[test]
fn both_products_equal_those_of_the_unpacked_weight() {
    for [tokens, inputs, outputs] in SIDES {
        let (x, d, weight) = (drawn(tokens * inputs, 31), drawn(tokens * outputs, 17), drawn(outputs * inputs, 7));
        let four_bits = |double_quant, bf16| Precision::Nf4 { double_quant, bf16 };
        for precision in
            [Precision::F32, Precision::Bf16, four_bits(false, false), four_bits(true, false), four_bits(true, true)]
        {
            let packed = PackedWeight::new(&weight, [outputs, inputs], precision);
            let is_rounded = matches!(precision, Precision::Bf16 | Precision::Nf4 { bf16: true, .. });
            let held = match precision {
                Precision::F32 => weight.clone(),
                Precision::Bf16 => rounded(&weight),
                Precision::Nf4 { double_quant, .. } => {
                    let mut held = vec![0.0; weight.len()];
                    Nf4::new(&weight, double_quant).read(0, &mut held);
                    held
                }
            };
            assert_eq!(packed.unpacked(), held, "{precision:?}");
            let weight = if is_rounded && Pair::native() { rounded(&held) } else { held };
            let operand = |x: &[f32]| if is_rounded && Pair::native() { rounded(x) } else { x.to_vec() };
            let what = format!("{precision:?} [{tokens}, {inputs}] to {outputs}");
            let bias = drawn(outputs, 11);
            let mut expected = exact(&operand(&x), |i, o| weight[o * inputs + i], tokens, inputs, outputs);
            assert_close(&packed.forward(&x, tokens, None, None), &expected, &what);
            expected.iter_mut().enumerate().for_each(|(at, value)| *value += f64::from(bias[at % outputs]));
            assert_close(&packed.forward(&x, tokens, Some(&bias), None), &expected, &what);
            let expected = exact(&operand(&d), |o, i| weight[o * inputs + i], tokens, outputs, inputs);
            assert_close(&packed.backward(&d, tokens, None), &expected, &what);
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_number_of_rows() {
    let (inputs, outputs) = (96, 160);
    let (x, weight) = (drawn(37 * inputs, 31), drawn(outputs * inputs, 7));
    let packed = PackedWeight::new(&weight, [outputs, inputs], Precision::F32);
    let product = |tokens: usize| packed.forward(&x[..tokens * inputs], tokens, None, None);
    assert_eq!(product(5), product(37)[..5 * outputs]);
}
