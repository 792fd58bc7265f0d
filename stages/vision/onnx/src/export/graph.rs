//! A graph in the making: nodes and tensors, by name.

use std::collections::HashSet;

use img2tokens_vision::{Checkpoint, ModelConfig, SaveError, Tensors};

use super::proto::{
    AttributeProto, BOOL, DimensionProto, FLOAT, GraphProto, INT64, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, UINT8, ValueInfoProto,
};
use super::weights::WeightsFile;
use crate::signature::{Element, Port};

/// The version of the file format: the one that came with the operator set, of ONNX 1.12.
const IR_VERSION: i64 = 8;

/// The operator set: the first with LayerNormalization.
const OPSET: i64 = 17;

/// A value of a graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// A graph in the making. Its weights are written while it grows, so it stays small.
pub(super) struct Graph<'a> {
    checkpoint: &'a Checkpoint,
    weights: WeightsFile,
    graph: GraphProto,
    /// The names of constants, which are shared.
    constants: HashSet<String>,
}

impl<'a> Graph<'a> {
    /// An empty graph over a checkpoint's tensors.
    pub(super) fn new(name: &str, checkpoint: &'a Checkpoint, weights: WeightsFile) -> Self {
        Self {
            checkpoint,
            weights,
            graph: GraphProto {
                name: name.to_owned(),
                ..GraphProto::default()
            },
            constants: HashSet::new(),
        }
    }

    /// The model's shapes.
    pub(super) const fn config(&self) -> &'a ModelConfig {
        self.checkpoint.config()
    }

    /// Declares an input.
    pub(super) fn input(&mut self, port: Port) -> Value {
        self.graph.input.push(declaration(port, self.config()));
        Value(port.name.to_owned())
    }

    /// Declares an output, and that it is this value.
    pub(super) fn output(&mut self, port: Port, value: &Value) {
        self.graph.output.push(declaration(port, self.config()));
        self.node("Identity", &[value], vec![port.name.to_owned()], Vec::new());
    }

    /// Adds a node of one output.
    pub(super) fn op(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.op_with(operator, inputs, Vec::new())
    }

    /// The same with attributes.
    pub(super) fn op_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let name = format!("{operator}_{}", self.graph.node.len());
        self.node(operator, inputs, vec![name.clone()], attributes);
        Value(name)
    }

    /// Cuts the last dimension into equal parts.
    pub(super) fn split<const PARTS: usize>(&mut self, x: &Value) -> [Value; PARTS] {
        let node = self.graph.node.len();
        let parts = std::array::from_fn(|part| Value(format!("Split_{node}_{part}")));
        let names = parts.iter().map(|Value(name)| name.clone()).collect();
        self.node("Split", &[x], names, vec![AttributeProto::int("axis", -1)]);
        parts
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let name = format!("{operator}_{}", self.graph.node.len());
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|Value(name)| name.clone()).collect(),
            output,
            name,
            op_type: operator.to_owned(),
            attribute,
        });
    }

    /// A number.
    pub(super) fn scalar(&mut self, value: f32) -> Value {
        let name = format!("f32 {value:?}");
        self.constant(name, FLOAT, Vec::new(), value.to_le_bytes().to_vec())
    }

    /// A list of integers: a shape, axes, bounds.
    pub(super) fn integers(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(format!("i64 {values:?}"), INT64, vec![values.len() as i64], bytes)
    }

    fn constant(&mut self, name: String, data_type: i32, dims: Vec<i64>, bytes: Vec<u8>) -> Value {
        if self.constants.insert(name.clone()) {
            self.graph.initializer.push(TensorProto {
                name: name.clone(),
                dims,
                data_type,
                raw_data: Some(bytes),
                ..TensorProto::default()
            });
        }
        Value(name)
    }

    /// The numbers of the checkpoint's tensor of this key.
    pub(super) fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, SaveError> {
        let values = self.checkpoint.tensor(key, shape)?.to_f32();
        self.checkpoint.release(key);
        Ok(values)
    }

    /// Writes a tensor to the file of weights.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<Value, SaveError> {
        let entry = self.weights.append(name, shape, values)?;
        self.graph.initializer.push(entry);
        Ok(Value(name.to_owned()))
    }

    /// Writes the checkpoint's tensor of this key to the file of weights.
    pub(super) fn weight(&mut self, key: &str, shape: &[usize]) -> Result<Value, SaveError> {
        let values = self.values(key, shape)?;
        self.tensor(key, shape, &values)
    }

    /// The whole graph, its weights on the disk.
    pub(super) fn finish(self) -> Result<ModelProto, SaveError> {
        self.weights.finish()?;
        Ok(ModelProto {
            ir_version: IR_VERSION,
            producer_name: "img2tokens".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
        })
    }
}

fn declaration(port: Port, config: &ModelConfig) -> ValueInfoProto {
    let batch = DimensionProto {
        dim_param: Some("batch".to_owned()),
        ..DimensionProto::default()
    };
    let fixed = port.dimensions(config).into_iter().map(|size| DimensionProto {
        dim_value: Some(size as i64),
        ..DimensionProto::default()
    });
    let elem_type = match port.element {
        Element::F32 => FLOAT,
        Element::U8 => UINT8,
        Element::I64 => INT64,
        Element::Bool => BOOL,
    };
    ValueInfoProto {
        name: port.name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type,
                shape: Some(TensorShapeProto {
                    dim: std::iter::once(batch).chain(fixed).collect(),
                }),
            }),
        }),
    }
}
