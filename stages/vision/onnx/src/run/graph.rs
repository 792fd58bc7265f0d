//! One of the two graphs, loaded.

use ort::ep::{CUDA, TensorRT};
use ort::session::builder::SessionBuilder;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{PrimitiveTensorElementType, TensorElementType, ValueType};

use img2tokens_vision::{ModelConfig, VisionError};

use super::{ExportedModel, Provider, Runtime, Settings};
use crate::signature::{Element, Port};

/// Says what the runtime was doing when it failed.
pub(super) fn failed(doing: impl Into<String>) -> impl FnOnce(ort::Error) -> VisionError {
    let doing = doing.into();
    move |error| broken(doing, error)
}

fn broken(
    doing: impl Into<String>,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> VisionError {
    VisionError::Backend {
        backend: "onnx",
        doing: doing.into(),
        source: error.into(),
    }
}

/// One of the two graphs, loaded.
pub(super) struct Graph {
    name: &'static str,
    config: ModelConfig,
    session: Session,
}

impl Graph {
    /// Loads a graph and checks that its inputs and outputs are those of the model's shapes.
    pub(super) fn load(
        name: &'static str,
        ports: &[Port],
        model: &ExportedModel,
        runtime: &Runtime,
        settings: &Settings,
    ) -> Result<Self, VisionError> {
        let path = model.path(name);
        let session = builder(runtime, settings)
            .and_then(|mut builder| builder.commit_from_file(&path))
            .map_err(failed(format!("loading {}", path.display())))?;
        for port in ports {
            let outlets = || session.inputs().iter().chain(session.outputs());
            let found = outlets()
                .find(|outlet| outlet.name() == port.name)
                .map(ort::value::Outlet::dtype);
            if !found.is_some_and(|found| fits(port, model.config(), found)) {
                let dimensions = port.dimensions(model.config());
                let fault = format!(
                    "`{}` should be {:?} of [batch, {dimensions:?}] by config.json",
                    port.name, port.element
                );
                return Err(broken(format!("loading {}", path.display()), fault));
            }
        }
        Ok(Self {
            name,
            config: model.config().clone(),
            session,
        })
    }

    /// Runs the graph over one picture.
    pub(super) fn run<const N: usize>(
        &mut self,
        inputs: [(Port, SessionInputValue<'_>); N],
    ) -> Result<Outputs<'_>, VisionError> {
        let inputs: Vec<_> = inputs
            .into_iter()
            .map(|(port, value)| (port.name, value))
            .collect();
        let values = self
            .session
            .run(inputs)
            .map_err(failed(format!("running {}", self.name)))?;
        Ok(Outputs {
            graph: self.name,
            config: &self.config,
            values,
        })
    }
}

/// What a graph made of one picture.
pub(super) struct Outputs<'s> {
    graph: &'static str,
    config: &'s ModelConfig,
    values: SessionOutputs<'s>,
}

impl Outputs<'_> {
    /// The numbers of an output, row-major, all there.
    pub(super) fn numbers<T: PrimitiveTensorElementType>(&self, port: Port) -> Result<&[T], VisionError> {
        let expected: usize = port.dimensions(self.config).iter().product();
        let doing = || format!("reading `{}` of {}", port.name, self.graph);
        let value = self
            .values
            .get(port.name)
            .ok_or_else(|| broken(doing(), "there is no such output"))?;
        let (_, numbers) = value.try_extract_tensor::<T>().map_err(failed(doing()))?;
        if numbers.len() == expected {
            Ok(numbers)
        } else {
            let fault = format!("{} numbers, not {expected}", numbers.len());
            Err(broken(doing(), fault))
        }
    }
}

/// Threads, and what computes. Sums are made in the same order every time; threads that wait do not spin, for others
/// decode pictures on the same cores.
fn builder(runtime: &Runtime, settings: &Settings) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(runtime.environment())?
        .with_intra_threads(settings.threads)?
        .with_intra_op_spinning(false)?
        .with_deterministic_compute(true)?;
    let cuda = |device: u32| CUDA::default().with_device_id(device as i32).build();
    let providers = match settings.provider {
        Provider::Cpu => return Ok(builder),
        Provider::Cuda { device } => vec![cuda(device)],
        Provider::TensorRt { device } => {
            let tensor_rt = TensorRT::default().with_device_id(device as i32).build();
            vec![tensor_rt, cuda(device)]
        }
    };
    let providers: Vec<_> = providers
        .into_iter()
        .map(ort::ep::ExecutionProviderDispatch::error_on_failure)
        .collect();
    Ok(builder.with_execution_providers(providers)?)
}

/// Whether a port of the graph has the type and the dimensions that it should have; the batch may be any.
fn fits(port: &Port, config: &ModelConfig, found: &ValueType) -> bool {
    let ValueType::Tensor { ty, shape, .. } = found else {
        return false;
    };
    let element = match port.element {
        Element::F32 => TensorElementType::Float32,
        Element::U8 => TensorElementType::Uint8,
        Element::I64 => TensorElementType::Int64,
        Element::Bool => TensorElementType::Bool,
    };
    let dimensions = port.dimensions(config);
    *ty == element
        && shape
            .iter()
            .skip(1)
            .copied()
            .eq(dimensions.iter().map(|size| *size as i64))
}
