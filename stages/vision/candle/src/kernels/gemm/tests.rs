//! Products against their definition, on every instruction set.

use super::*;
use half::{bf16, f16};
use img2tokens_vision::Dtype;
use proptest::prelude::*;

/// Numbers that look random.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let scramble = |at: usize| ((at as u32 ^ seed).wrapping_mul(0x9e37_79b9) ^ (at as u32) << 7) >> 8;
    (0..count)
        .map(|at| scramble(at) as f32 / 8_388_608.0 - 1.0)
        .collect()
}

struct Case {
    dtype: Dtype,
    rows: usize,
    depth: usize,
    outputs: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
}

impl Case {
    fn new(dtype: Dtype, rows: usize, depth: usize, outputs: usize) -> Self {
        Self {
            dtype,
            rows,
            depth,
            outputs,
            a: numbers(rows * (depth + 3), 1),
            b: numbers(outputs * depth, 2),
            bias: numbers(outputs, 3),
            residual: numbers(rows * outputs, 4),
        }
    }

    fn write(&self, isa: Isa, b: &Panels, epilogue: Epilogue<'_>) -> Vec<f32> {
        let product = Product {
            a: View::new(&self.a, self.rows, self.depth, self.depth + 3),
            b,
            epilogue,
        };
        let stride = self.outputs + 1;
        let mut out = vec![f32::NAN; self.rows * stride];
        let view = ViewMut {
            values: &mut out,
            stride,
        };
        product.write(isa, view, &mut Scratch::default());
        assert!(
            out.iter()
                .skip(self.outputs)
                .step_by(stride)
                .all(|gap| gap.is_nan())
        );
        out.chunks(stride)
            .flat_map(|row| row[..self.outputs].to_vec())
            .collect()
    }

    fn panels(&self) -> Panels {
        Panels::of_weight(
            View::new(&self.b, self.outputs, self.depth, self.depth),
            self.dtype,
        )
    }

    /// One chain of fused multiply-adds, written down.
    fn chain(&self, row: usize, output: usize) -> f32 {
        let a = &self.a[row * (self.depth + 3)..][..self.depth];
        let b = &self.b[output * self.depth..][..self.depth];
        let rounded = |value: f32| match self.dtype {
            Dtype::F32 => value,
            Dtype::F16 => f16::from_f32(value).to_f32(),
            Dtype::Bf16 => bf16::from_f32(value).to_f32(),
        };
        let step = |sum: f32, (a, b): (&f32, &f32)| rounded(*a).mul_add(rounded(*b), sum);
        if self.dtype == Dtype::Bf16 {
            let pairs = a.chunks(2).zip(b.chunks(2));
            pairs.fold(0.0, |sum, (a, b)| a.iter().zip(b).rev().fold(sum, step))
        } else {
            a.iter().zip(b).fold(0.0, step)
        }
    }
}

fn dtypes() -> impl Strategy<Value = Dtype> {
    prop_oneof![Just(Dtype::F32), Just(Dtype::Bf16), Just(Dtype::F16)]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_product_is_the_chain_in_its_order_on_every_instruction_set(
        dtype in dtypes(), rows in 1..40_usize, depth in prop_oneof![1..80_usize, 500..530_usize, 1020..1050_usize], outputs in 1..150_usize,
    ) {
        let case = Case::new(dtype, rows, depth, outputs);
        let panels = case.panels();
        let expected: Vec<f32> = (0..rows * outputs).map(|at| case.chain(at / outputs, at % outputs)).collect();
        for isa in Isa::vectors().into_iter().chain([Isa::SCALAR]) {
            prop_assert_eq!(bits(&case.write(isa, &panels, Epilogue::default())), bits(&expected));
        }
    }

    #[test]
    fn the_epilogue_is_the_same_on_every_instruction_set(
        dtype in dtypes(), rows in 1..30_usize, depth in 1..80_usize, outputs in 1..100_usize, gelu in any::<bool>(),
    ) {
        let case = Case::new(dtype, rows, depth, outputs);
        let panels = case.panels();
        let epilogue = Epilogue {
            bias: Some(&case.bias),
            gelu,
            residual: Some(View::new(&case.residual, rows, outputs, outputs)),
        };
        let expected = case.write(Isa::SCALAR, &panels, epilogue);
        for isa in Isa::vectors() {
            prop_assert_eq!(bits(&case.write(isa, &panels, epilogue)), bits(&expected));
        }
        if !gelu {
            for (at, found) in expected.iter().enumerate() {
                let chain = case.chain(at / outputs, at % outputs);
                prop_assert_eq!(*found, chain + case.bias[at % outputs] + case.residual[at]);
            }
        }
    }

    #[test]
    fn all_ways_of_packing_agree(dtype in dtypes(), depth in 1..600_usize, outputs in 1..100_usize) {
        let case = Case::new(dtype, 3, depth, outputs);
        let across: Vec<f32> = (0..depth * outputs)
            .map(|at| case.b[at % outputs * depth + at / outputs])
            .collect();
        // Filled anew, from something else.
        let [mut straight, mut transposed] = [(); 2].map(|()| Panels::of_weight(View::new(&case.a, 3, 2, 2), Dtype::F16));
        straight.fill(View::new(&across, depth, outputs, outputs), dtype);
        transposed.fill_transposed(View::new(&case.b, outputs, depth, depth), dtype);
        let write = |panels| case.write(Isa::best(), panels, Epilogue::default());
        let kept = case.panels();
        let expected = write(&kept);
        prop_assert_eq!(&write(&straight), &expected);
        prop_assert_eq!(&write(&transposed), &expected);
    }
}
