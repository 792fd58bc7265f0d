//! The layers that every part is made of.

use candle_core::{Device, Result, Tensor};
use img2tokens_vision::Dtype;

use crate::kernels::{Epilogue, Isa, Norm, Panels, Product, Scratch, View, ViewMut};
use crate::rows::Rows;

/// `x W^T + b`, the operands of the product in the model's dtype, the sum in float32.
pub(crate) struct Linear {
    weight: Panels,
    /// `[outputs]`
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// Takes a weight `[outputs, inputs]`, row-major, and a bias `[outputs]`.
    pub(crate) fn new(weight: &[f32], bias: Vec<f32>, dtype: Dtype) -> Self {
        let layer = Self::without_bias(weight, bias.len(), dtype);
        Self {
            bias: Some(bias),
            ..layer
        }
    }

    /// Takes a weight `[outputs, inputs]`, row-major.
    pub(crate) fn without_bias(weight: &[f32], outputs: usize, dtype: Dtype) -> Self {
        let inputs = weight.len() / outputs;
        Self {
            weight: Panels::of_weight(View::new(weight, outputs, inputs, inputs), dtype),
            bias: None,
        }
    }

    /// `x`: `[rows, inputs]`; gives `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.write(x, Epilogue::default())
    }

    /// The same, and the exact (erf) GELU of it.
    pub(crate) fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        let epilogue = Epilogue {
            gelu: true,
            ..Epilogue::default()
        };
        self.write(x, epilogue)
    }

    /// The same, and `residual` `[rows, outputs]` added.
    pub(crate) fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        if residual.dims2()? != (x.dim(0)?, self.weight.outputs()) {
            candle_core::bail!("a residual of {:?} for {:?}", residual.shape(), x.shape());
        }
        let residual = Rows::of(residual);
        let epilogue = Epilogue {
            residual: Some(residual.view()?),
            ..Epilogue::default()
        };
        self.write(x, epilogue)
    }

    fn write(&self, x: &Tensor, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let x = Rows::of(x);
        let (x, outputs) = (x.view()?, self.weight.outputs());
        if x.width() != self.weight.depth() {
            candle_core::bail!("{} inputs for a layer of {}", x.width(), self.weight.depth());
        }
        let product = Product {
            a: x,
            b: &self.weight,
            epilogue: Epilogue {
                bias: self.bias.as_deref(),
                ..epilogue
            },
        };
        let mut values = vec![0.0; x.rows() * outputs];
        let out = ViewMut {
            values: &mut values,
            stride: outputs,
        };
        product.write(Isa::best(), out, &mut Scratch::default());
        Tensor::from_vec(values, (x.rows(), outputs), &Device::Cpu)
    }
}

/// LayerNorm over the last dimension, in float32.
pub(crate) struct LayerNorm {
    /// `[width]`
    weight: Vec<f32>,
    /// `[width]`
    bias: Vec<f32>,
    eps: f32,
}

impl LayerNorm {
    pub(crate) const fn new(weight: Vec<f32>, bias: Vec<f32>, eps: f32) -> Self {
        Self { weight, bias, eps }
    }

    pub(crate) const fn width(&self) -> usize {
        self.weight.len()
    }

    /// `x`: `[rows, width]`; gives the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = Rows::of(x);
        let (x, width, isa) = (x.view()?, self.weight.len(), Isa::best());
        if x.width() != width {
            candle_core::bail!("rows of {} for a norm of {width}", x.width());
        }
        let mut values = vec![0.0; x.rows() * width];
        for (row, out) in values.chunks_exact_mut(width).enumerate() {
            isa.run(Norm {
                x: x.row(row),
                weight: &self.weight,
                bias: &self.bias,
                eps: self.eps,
                out,
            });
        }
        Tensor::from_vec(values, (x.rows(), width), &Device::Cpu)
    }
}

/// Two linear layers with an exact (erf) GELU between.
pub(crate) struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    pub(crate) const fn new(fc1: Linear, fc2: Linear) -> Self {
        Self { fc1, fc2 }
    }

    /// `x`: `[rows, width]`; gives `residual + mlp(x)`, the same shape.
    pub(crate) fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.fc2.forward_onto(residual, &self.fc1.forward_gelu(x)?)
    }
}
