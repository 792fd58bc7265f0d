//! The ONNX backend, as configured.

use std::path::Path;

use img2tokens_vision::{Dtype, Extras, FeatureMerger, Merger, VisionError};
use img2tokens_vision_onnx::{ExportedModel, OnnxTokenizer, Provider, Runtime, Settings};

use super::{Devices, Loaded, ModelError, exported, selection, threads};
use crate::config::{DeviceChoice, ProviderChoice, Vision};

/// Exported graphs, and what is to run them.
pub struct OnnxModel {
    /// The graphs.
    pub(super) files: ExportedModel,
    runtime: Runtime,
    /// What computes.
    pub(super) provider: Provider,
}

impl OnnxModel {
    /// Checks the settings, opens the directory, and loads ONNX Runtime.
    pub(super) fn open(vision: &Vision, config: Option<&Path>) -> Result<Self, ModelError> {
        let unfit = |setting: String, why| Err(ModelError::OnnxSetting { setting, why });
        if let Some(config) = config {
            let setting = format!("--model-config {}", config.display());
            return unfit(setting, "exported graphs have shapes of their own");
        }
        if vision.dtype != Dtype::F32 {
            let setting = format!("vision.dtype = {:?}", vision.dtype.name());
            return unfit(setting, "exported graphs compute in f32");
        }
        if vision.merger != Merger::Full {
            let setting = format!("vision.merger = {:?}", vision.merger.name());
            return unfit(setting, "exported graphs hold the full merger");
        }
        let provider = provider(vision)?;
        Ok(Self {
            files: ExportedModel::open(Path::new(&vision.model)).map_err(exported)?,
            runtime: Runtime::load(vision.onnxruntime.as_deref())
                .map_err(|error| ModelError::OnnxRuntime(Box::new(error)))?,
            provider,
        })
    }

    /// Loads the graphs.
    pub(super) fn load(
        &self,
        vision: &Vision,
        extras: Extras,
    ) -> Result<Result<Loaded, VisionError>, ModelError> {
        let settings = Settings {
            selection: selection(vision, self.files.config())?,
            features: features(extras)?,
            threads: threads(vision),
            provider: self.provider,
        };
        let (batch_size, devices) = (vision.batch_size.on_cpu(), Devices::Onnx(self.provider));
        let tokenizer = OnnxTokenizer::new(&self.files, &self.runtime, settings);
        Ok(tokenizer.map(|tokenizer| Loaded::one(tokenizer, batch_size, devices)))
    }
}

/// Whether merged features are asked for.
pub(super) fn features(extras: Extras) -> Result<bool, ModelError> {
    let unfit = |setting: &str, why| {
        Err(ModelError::OnnxSetting {
            setting: setting.to_owned(),
            why,
        })
    };
    if extras.reconstruction {
        return unfit("reconstruction", "exported graphs hold no decoder");
    }
    match extras.features {
        None => Ok(false),
        Some(FeatureMerger::Tokenizer) => Ok(true),
        Some(FeatureMerger::LanguageModel) => unfit(
            "output.features = \"language_model_f16\"",
            "exported graphs hold the tokenizer's own merger",
        ),
    }
}

/// The provider and its device; `auto` is the CPU unless a provider is named.
fn provider(vision: &Vision) -> Result<Provider, ModelError> {
    let device = match vision.device {
        DeviceChoice::Cuda(device) => device,
        DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::AllCuda => 0,
    };
    match (vision.onnx_provider, vision.device) {
        (None | Some(ProviderChoice::Cpu), DeviceChoice::Auto | DeviceChoice::Cpu) => Ok(Provider::Cpu),
        (None, DeviceChoice::Cuda(_))
        | (Some(ProviderChoice::Cuda), DeviceChoice::Auto | DeviceChoice::Cuda(_)) => {
            Ok(Provider::Cuda { device })
        }
        (Some(ProviderChoice::Tensorrt), DeviceChoice::Auto | DeviceChoice::Cuda(_)) => {
            Ok(Provider::TensorRt { device })
        }
        (_, DeviceChoice::AllCuda) => Err(ModelError::OnnxSetting {
            setting: "vision.device = \"cuda:all\"".to_owned(),
            why: "ONNX Runtime computes on one device: name it, as cuda:0",
        }),
        (Some(_), _) => Err(ModelError::OnnxSetting {
            setting: format!("vision.device = \"{}\"", vision.device),
            why: "vision.onnx_provider names another kind of device",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(provider_choice: Option<ProviderChoice>, device: DeviceChoice) -> Option<Provider> {
        let vision = Vision {
            onnx_provider: provider_choice,
            device,
            ..Vision::default()
        };
        provider(&vision).ok()
    }

    #[test]
    fn the_device_tells_the_provider_unless_one_is_named() {
        let cuda = Some(ProviderChoice::Cuda);
        assert_eq!(chosen(None, DeviceChoice::Auto), Some(Provider::Cpu));
        assert_eq!(
            chosen(None, DeviceChoice::Cuda(2)),
            Some(Provider::Cuda { device: 2 })
        );
        assert_eq!(
            chosen(cuda, DeviceChoice::Auto),
            Some(Provider::Cuda { device: 0 })
        );
        assert_eq!(
            chosen(Some(ProviderChoice::Tensorrt), DeviceChoice::Cuda(1)),
            Some(Provider::TensorRt { device: 1 })
        );
    }

    #[test]
    fn a_provider_on_another_kind_of_device_is_refused() {
        assert_eq!(chosen(Some(ProviderChoice::Cuda), DeviceChoice::Cpu), None);
        assert_eq!(chosen(Some(ProviderChoice::Cpu), DeviceChoice::Cuda(0)), None);
    }
}
