//! Models whose shapes are legal one by one and without bound together.

use std::fs;

use serde_json::{Map, Value, json};

use crate::confined;
use crate::make;
use crate::scene::{BASE_BYTES, Scene};

/// Shapes that validate: every patch is a pixel, and a token has the least width.
struct Shapes {
    image_size: usize,
}

const WIDTH: usize = 4;
const CODES: usize = 2;

impl Shapes {
    const fn patches(&self) -> usize {
        self.image_size * self.image_size
    }

    fn config(&self) -> Value {
        json!({
            "image_size": self.image_size, "patch_size": 1, "width": WIDTH, "heads": 1, "mlp_ratio": 1.0,
            "encoder_depth": 1, "merger_depth": 1, "codebook_size": CODES, "code_dim": 1,
        })
    }

    /// The key and shape of every tensor, of which a layer's bias follows from its weight.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let encoder = "encoder.blocks.0";
        let merger = "causal_encoder.blocks.0";
        let mut list: Vec<(String, Vec<usize>)> = vec![
            ("encoder.cls_token".into(), vec![1, 1, WIDTH]),
            ("encoder.pos_embed".into(), vec![1, self.patches() + 1, WIDTH]),
            ("encoder.patch_embed.proj.weight".into(), vec![WIDTH, 3, 1, 1]),
            ("encoder.patch_embed.proj.bias".into(), vec![WIDTH]),
            (format!("{encoder}.attn.q_bias"), vec![WIDTH]),
            (format!("{encoder}.attn.v_bias"), vec![WIDTH]),
            (format!("{encoder}.attn.qkv.weight"), vec![3 * WIDTH, WIDTH]),
            ("quantize.embedding.weight".into(), vec![CODES, 1]),
        ];
        let mut layer = |name: String, outputs: usize, inputs: Option<usize>| {
            let weight = [outputs].into_iter().chain(inputs).collect();
            list.push((format!("{name}.weight"), weight));
            list.push((format!("{name}.bias"), vec![outputs]));
        };
        for linear in ["attn.proj", "mlp.fc1", "mlp.fc2"] {
            layer(format!("{encoder}.{linear}"), WIDTH, Some(WIDTH));
        }
        for cross in ["query", "key", "value", "proj"] {
            layer(format!("{merger}.token_cross_attn.{cross}"), WIDTH, Some(WIDTH));
        }
        layer(format!("{merger}.token_causal_attn.qkv"), 3 * WIDTH, Some(WIDTH));
        for linear in ["token_causal_attn.proj", "mlp.fc1", "mlp.fc2"] {
            layer(format!("{merger}.{linear}"), WIDTH, Some(WIDTH));
        }
        let norms = ["norm1", "norm2"].map(|norm| format!("{encoder}.{norm}"));
        let merger_norms = ["norm0", "norm1", "norm2"].map(|norm| format!("{merger}.{norm}"));
        for norm in norms.into_iter().chain(merger_norms) {
            layer(norm, WIDTH, None);
        }
        for norm in [
            "causal_encoder.ln_vision",
            "causal_encoder.norm",
            "token_predictor.in_conv.0",
        ] {
            layer(norm.into(), WIDTH, None);
        }
        for (name, outputs, inputs) in [
            ("token_predictor.in_conv.1", WIDTH, WIDTH),
            ("token_predictor.out_conv.0", WIDTH / 2, WIDTH),
            ("token_predictor.out_conv.2", WIDTH / 4, WIDTH / 2),
            ("token_predictor.out_conv.4", 2, WIDTH / 4),
            ("encode_task_layer.0", WIDTH, WIDTH),
            ("encode_task_layer.2", 1, WIDTH),
        ] {
            layer(name.into(), outputs, Some(inputs));
        }
        list
    }

    /// A safetensors file of zeros in float16.
    fn weights(&self) -> Vec<u8> {
        let (mut table, mut end) = (Map::new(), 0);
        for (name, shape) in self.tensors() {
            let start = end;
            end += 2 * shape.iter().product::<usize>();
            table.insert(
                name,
                json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] }),
            );
        }
        let header = Value::from(table).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + end, 0);
        file
    }
}

/// Attention over n patches asks for n x n numbers: these are told to be too many, or do without.
#[test]
fn a_model_of_a_million_patches_is_refused_before_it_is_run() {
    for image_size in [448, 1024] {
        let shapes = Shapes { image_size };
        let scene = Scene::new();
        let folder = scene.path("model");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.json"), shapes.config().to_string()).unwrap();
        fs::write(folder.join("model.safetensors"), shapes.weights()).unwrap();
        fs::write(scene.path("good.png"), make::good_picture(0)).unwrap();
        let (model, picture) = (
            folder.display().to_string(),
            scene.path("good.png").display().to_string(),
        );
        confined::run(&["tokenize", "--model", &model, &picture])
            .expect_code_among(&[1, 2])
            .expect_words(&["patch"])
            .expect_peak_below(4 * BASE_BYTES);
    }
}
