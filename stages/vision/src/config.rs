//! The shapes of a model: `config.json`.

use serde::{Deserialize, Serialize};

/// The shapes of a LaVIT visual tokenizer. Every number that the architecture needs follows from these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// S, the side of the square picture, in pixels.
    pub image_size: usize,
    /// The side of a square patch, in pixels; divides `image_size`.
    pub patch_size: usize,
    /// D, the width of a token; a multiple of `heads` and of 4 (the selector halves it twice).
    pub width: usize,
    /// Attention heads, of encoder and merger alike.
    pub heads: usize,
    /// The MLP's hidden width over D, rounded down to a whole number.
    pub mlp_ratio: f64,
    /// Blocks of the frozen encoder.
    pub encoder_depth: usize,
    /// Blocks of the token merger.
    pub merger_depth: usize,
    /// K, the number of codes; at most 65536, as a code is stored in 16 bits.
    pub codebook_size: usize,
    /// d, the width of a code.
    pub code_dim: usize,
}

/// Numbers that are no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A number is zero or beyond what any model needs.
    #[error("`{field}` is {value}, not within 1..={most}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The largest value allowed.
        most: usize,
    },
    /// One number must divide another.
    #[error("`{field}` is {value}, not a multiple of {of} ({divisor})")]
    Multiple {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The divisor.
        divisor: usize,
        /// What the divisor is.
        of: &'static str,
    },
    /// Numbers that are allowed each ask for too much together.
    #[error("{what} are more than {most}")]
    Total {
        /// What is counted.
        what: &'static str,
        /// The most allowed.
        most: usize,
    },
    /// The MLP's ratio gives no hidden width.
    #[error("`mlp_ratio` is {0}, not within 0.25..=64")]
    Ratio(f64),
}

/// The most blocks of a part of the model; LaVIT's encoder has 40.
pub(crate) const MAX_DEPTH: usize = 1024;

/// The most patches of a picture, a grid of 64 x 64; LaVIT has 256. Attention takes their square.
const MAX_PATCHES: usize = 4_096;

/// The most numbers of one activation of a picture (1 GiB in float32): LaVIT's largest has 1.6 million.
const MAX_ACTIVATION: usize = 1 << 28;

/// The most weights of a model: a dozen times LaVIT's.
const MAX_WEIGHTS: usize = 1 << 34;

/// The selector halves the width twice.
const SELECTOR_HALVINGS: usize = 4;

impl ModelConfig {
    /// The published full size: EVA-CLIP ViT-g/14 at 224 pixels, 12 merger blocks, 16384 codes of 32.
    #[must_use]
    pub const fn lavit() -> Self {
        Self {
            image_size: 224,
            patch_size: 14,
            width: 1408,
            heads: 16,
            mlp_ratio: 4.3637,
            encoder_depth: 40,
            merger_depth: 12,
            codebook_size: 16_384,
            code_dim: 32,
        }
    }

    /// Patches along one side of the picture.
    #[must_use]
    pub const fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// N, the patches of a picture.
    #[must_use]
    pub const fn patches(&self) -> usize {
        self.grid() * self.grid()
    }

    /// The width of one attention head.
    #[must_use]
    pub const fn head_dim(&self) -> usize {
        self.width / self.heads
    }

    /// The MLP's hidden width: `int(width * mlp_ratio)` in float64, as Python computes it.
    #[must_use]
    pub fn mlp_hidden(&self) -> usize {
        (self.width as f64 * self.mlp_ratio) as usize
    }

    /// Refuses numbers that are no model, so that nothing later divides by zero or allocates without bound.
    ///
    /// # Errors
    /// Names the first field at fault.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |field, value, most| match value {
            value if (1..=most).contains(&value) => Ok(()),
            value => Err(ConfigError::Range { field, value, most }),
        };
        within("image_size", self.image_size, 4096)?;
        within("patch_size", self.patch_size, self.image_size)?;
        within("width", self.width, 16_384)?;
        within("heads", self.heads, self.width)?;
        within("encoder_depth", self.encoder_depth, MAX_DEPTH)?;
        within("merger_depth", self.merger_depth, MAX_DEPTH)?;
        within("codebook_size", self.codebook_size, 1 << 16)?;
        within("code_dim", self.code_dim, 4096)?;
        let multiple = |field, value: usize, divisor, of| match value % divisor {
            0 => Ok(()),
            _ => Err(ConfigError::Multiple {
                field,
                value,
                divisor,
                of,
            }),
        };
        multiple("image_size", self.image_size, self.patch_size, "`patch_size`")?;
        multiple("width", self.width, self.heads, "`heads`")?;
        multiple(
            "width",
            self.width,
            SELECTOR_HALVINGS,
            "the selector's two halvings",
        )?;
        if !(0.25..=64.0).contains(&self.mlp_ratio) {
            return Err(ConfigError::Ratio(self.mlp_ratio));
        }
        self.validate_totals()
    }

    /// Refuses what fits number by number and not together: what is checked here is allocated of a model whatever its
    /// file holds. All numbers are within their own ranges.
    fn validate_totals(&self) -> Result<(), ConfigError> {
        let (patches, d) = (self.patches(), self.width);
        let at_most = |what, factors: &[usize], most| {
            let total = factors
                .iter()
                .try_fold(1_usize, |total, factor| total.checked_mul(*factor));
            match total {
                Some(total) if total <= most => Ok(total),
                _ => Err(ConfigError::Total { what, most }),
            }
        };
        at_most("the patches of a picture", &[patches], MAX_PATCHES)?;
        at_most(
            "the attention scores of a picture (heads x patches x patches)",
            &[self.heads, patches + 1, patches + 1],
            MAX_ACTIVATION,
        )?;
        at_most(
            "the activations of a block (patches x the widest layer)",
            &[patches + 1, self.mlp_hidden().max(3 * d)],
            MAX_ACTIVATION,
        )?;
        let what = "the weights of the model";
        let mut weights = 0_usize;
        for (_, shape) in self.tensors() {
            weights = weights.saturating_add(at_most(what, &shape, MAX_WEIGHTS)?);
        }
        at_most(what, &[weights], MAX_WEIGHTS).map(drop)
    }

    /// The key and shape of every tensor that the model reads, in a fixed order (spec sections 2 to 6). Keys of the
    /// encoder start with `encoder.`.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = TensorList(Vec::new());
        self.encoder_tensors(&mut list);
        self.selector_tensors(&mut list);
        self.merger_tensors(&mut list);
        let (d, code) = (self.width, self.code_dim);
        list.push("quantize.embedding.weight", &[self.codebook_size, code]);
        list.linear("encode_task_layer.0", d, d);
        list.linear("encode_task_layer.2", code, d);
        list.0
    }

    /// The key and shape of every tensor of a decoder of features of this many blocks (spec section 8), as in the
    /// published `tokenizer_decoder.bin`.
    #[must_use]
    pub fn decoder_tensors(&self, depth: usize) -> Vec<(String, Vec<usize>)> {
        let (d, hidden) = (self.width, self.mlp_hidden());
        let mut list = TensorList(Vec::new());
        list.linear("in_proj", d, self.code_dim);
        list.push("pos_embed", &[1, self.patches(), d]);
        list.push("query_embed", &[1, self.patches(), d]);
        for block in (0..depth).map(|block| format!("blocks.{block}")) {
            list.attentive_block(&block, ["self_attn", "cross_attn"], d, hidden);
        }
        list.norm("norm", d);
        list.linear("decode_task_layer.0", d, d);
        list.linear("decode_task_layer.2", d, d);
        list.0
    }

    fn encoder_tensors(&self, list: &mut TensorList) {
        let (d, patch, hidden) = (self.width, self.patch_size, self.mlp_hidden());
        list.push("encoder.cls_token", &[1, 1, d]);
        list.push("encoder.pos_embed", &[1, self.patches() + 1, d]);
        list.push("encoder.patch_embed.proj.weight", &[d, 3, patch, patch]);
        list.push("encoder.patch_embed.proj.bias", &[d]);
        for block in (0..self.encoder_depth).map(|block| format!("encoder.blocks.{block}")) {
            list.norm(&format!("{block}.norm1"), d);
            list.push(&format!("{block}.attn.q_bias"), &[d]);
            list.push(&format!("{block}.attn.v_bias"), &[d]);
            list.push(&format!("{block}.attn.qkv.weight"), &[3 * d, d]);
            list.linear(&format!("{block}.attn.proj"), d, d);
            list.norm(&format!("{block}.norm2"), d);
            list.linear(&format!("{block}.mlp.fc1"), hidden, d);
            list.linear(&format!("{block}.mlp.fc2"), d, hidden);
        }
    }

    fn selector_tensors(&self, list: &mut TensorList) {
        let d = self.width;
        list.norm("token_predictor.in_conv.0", d);
        list.linear("token_predictor.in_conv.1", d, d);
        list.linear("token_predictor.out_conv.0", d / 2, d);
        list.linear("token_predictor.out_conv.2", d / 4, d / 2);
        list.linear("token_predictor.out_conv.4", 2, d / 4);
    }

    fn merger_tensors(&self, list: &mut TensorList) {
        let (d, hidden) = (self.width, self.mlp_hidden());
        for block in (0..self.merger_depth).map(|block| format!("causal_encoder.blocks.{block}")) {
            list.attentive_block(&block, ["token_causal_attn", "token_cross_attn"], d, hidden);
        }
        list.norm("causal_encoder.ln_vision", d);
        list.norm("causal_encoder.norm", d);
    }
}

/// Tensors of a model, by PyTorch's names for the parts of a layer.
struct TensorList(Vec<(String, Vec<usize>)>);

impl TensorList {
    fn push(&mut self, key: &str, shape: &[usize]) {
        self.0.push((key.to_owned(), shape.to_vec()));
    }

    fn linear(&mut self, layer: &str, outputs: usize, inputs: usize) {
        self.push(&format!("{layer}.weight"), &[outputs, inputs]);
        self.push(&format!("{layer}.bias"), &[outputs]);
    }

    /// Self-attention, cross-attention, MLP, a norm before each.
    fn attentive_block(&mut self, block: &str, [own, cross]: [&str; 2], d: usize, hidden: usize) {
        self.norm(&format!("{block}.norm0"), d);
        self.linear(&format!("{block}.{own}.qkv"), 3 * d, d);
        self.linear(&format!("{block}.{own}.proj"), d, d);
        self.norm(&format!("{block}.norm1"), d);
        for part in ["query", "key", "value", "proj"] {
            self.linear(&format!("{block}.{cross}.{part}"), d, d);
        }
        self.norm(&format!("{block}.norm2"), d);
        self.linear(&format!("{block}.mlp.fc1"), hidden, d);
        self.linear(&format!("{block}.mlp.fc2"), d, hidden);
    }

    fn norm(&mut self, layer: &str, width: usize) {
        self.push(&format!("{layer}.weight"), &[width]);
        self.push(&format!("{layer}.bias"), &[width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_size_is_the_published_one() {
        let lavit = ModelConfig::lavit();
        assert_eq!(lavit.validate(), Ok(()));
        assert_eq!(
            (lavit.patches(), lavit.head_dim(), lavit.mlp_hidden()),
            (256, 88, 6144)
        );
        let parameters: usize = lavit
            .tensors()
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum();
        assert!((1.3e9..1.5e9).contains(&(parameters as f64)), "{parameters}");
    }

    #[test]
    fn a_config_that_is_no_model_names_its_field() {
        let broken = |change: fn(&mut ModelConfig)| {
            let mut config = ModelConfig::lavit();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(broken(|c| c.image_size = 225).contains("image_size"));
        assert!(broken(|c| c.patch_size = 0).contains("patch_size"));
        assert!(broken(|c| c.heads = 15).contains("width"));
        assert!(broken(|c| c.mlp_ratio = f64::NAN).contains("mlp_ratio"));
        assert!(broken(|c| c.codebook_size = 65_537).contains("codebook_size"));
    }

    #[test]
    fn numbers_that_ask_for_too_much_together_are_refused() {
        let refused = |change: fn(&mut ModelConfig)| {
            let mut config = ModelConfig::lavit();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        let small = |config: &mut ModelConfig, image_size, heads, width| {
            *config = ModelConfig {
                image_size,
                patch_size: 1,
                heads,
                width,
                mlp_ratio: 1.0,
                encoder_depth: 1,
                merger_depth: 1,
                codebook_size: 2,
                code_dim: 1,
            };
        };
        let mut most = ModelConfig::lavit();
        small(&mut most, 64, 1, 4);
        assert_eq!(most.validate(), Ok(()));
        for side in [65, 448, 4096] {
            most.image_size = side;
            let error = most.validate().unwrap_err().to_string();
            assert!(error.contains("patches of a picture"), "{error}");
        }
        small(&mut most, 64, 16, 64);
        assert!(
            most.validate()
                .unwrap_err()
                .to_string()
                .contains("attention scores")
        );
        small(&mut most, 64, 4, 8192);
        most.mlp_ratio = 64.0;
        assert!(most.validate().unwrap_err().to_string().contains("activations"));
        assert!(refused(|c| (c.width, c.encoder_depth) = (16_384, 1024)).contains("weights"));
        assert!(refused(|c| (c.encoder_depth, c.merger_depth) = (1024, 1024)).contains("weights"));
    }

    #[test]
    fn an_unknown_field_of_config_json_is_refused() {
        let json = serde_json::to_string(&ModelConfig::lavit()).unwrap();
        assert_eq!(
            serde_json::from_str::<ModelConfig>(&json).unwrap(),
            ModelConfig::lavit()
        );
        let error = serde_json::from_str::<ModelConfig>(&json.replace("width", "wdith")).unwrap_err();
        assert!(error.to_string().contains("wdith"));
    }
}
