//! Vector quantisation: a merged token to the nearest code (spec section 5).

use candle_core::{Device, Result, Tensor};
use img2tokens_vision::{Dtype, ModelConfig, VisionError};

use crate::error::failed;
use crate::layers::Linear;
use crate::weights::Weights;

/// A length below which z is not scaled up any further.
const MIN_NORM: f32 = 1e-12;

/// The projection to the codes' space, and the codes.
pub(crate) struct Codebook {
    hidden: Linear,
    project: Linear,
    /// Gives the inner product with every code.
    codes: Linear,
    /// `[K, d]`
    rows: Tensor,
    /// `||c||^2`, `[K]`
    squared_norms: Vec<f32>,
}

impl Codebook {
    /// Takes the weights of the whole checkpoint.
    pub(crate) fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        let (d, code) = (config.width, config.code_dim);
        let layers = weights.under("encode_task_layer");
        let shape = [config.codebook_size, code];
        let values = weights.values("quantize.embedding.weight", &shape)?;
        let codes = Linear::without_bias(&values, config.codebook_size, Dtype::F32);
        let rows =
            Tensor::from_vec(values, &shape[..], &Device::Cpu).map_err(failed("loading the codebook"))?;
        let squared_norms = rows
            .sqr()
            .and_then(|squares| squares.sum(1))
            .and_then(|norms| norms.to_vec1());
        Ok(Self {
            hidden: layers.linear("0", d, d)?,
            project: layers.linear("2", code, d)?,
            codes,
            rows,
            squared_norms: squared_norms.map_err(failed("loading the codebook"))?,
        })
    }

    /// `x`: merged features `[T, D]`; gives z, `[T, d]`, not yet of length one.
    pub(crate) fn project(&self, x: &Tensor) -> Result<Tensor> {
        self.project.forward(&self.hidden.forward(x)?.tanh()?)
    }

    /// The rows of these codes, `[T, d]`.
    pub(crate) fn rows(&self, codes: &[u16]) -> Result<Tensor> {
        let places: Vec<u32> = codes.iter().copied().map(u32::from).collect();
        self.rows
            .index_select(&Tensor::new(places, self.rows.device())?, 0)
    }

    /// `z`: `[T, d]`; gives the nearest code of each, the lowest of equals.
    pub(crate) fn nearest(&self, z: &Tensor) -> Result<Vec<u16>> {
        let norms = z.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(MIN_NORM)?;
        let z = z.broadcast_div(&norms)?;
        let lengths = z.sqr()?.sum(1)?.to_vec1::<f32>()?;
        let products = self.codes.forward(&z)?.to_vec2::<f32>()?;
        let nearest = |(length, products): (&f32, &Vec<f32>)| {
            let distances = products
                .iter()
                .zip(&self.squared_norms)
                .map(|(product, norm)| length + norm - 2.0 * product);
            let lowest = |best: (u16, f32), (code, distance): (u16, f32)| {
                if distance < best.1 { (code, distance) } else { best }
            };
            (0..=u16::MAX).zip(distances).fold((0, f32::INFINITY), lowest).0
        };
        Ok(lengths.iter().zip(&products).map(nearest).collect())
    }
}
