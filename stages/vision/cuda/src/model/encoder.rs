//! The frozen encoder, EVA-CLIP ViT-g/14 at its full size (spec sections 1 and 2).

use img2tokens_vision::{ModelConfig, VisionError, normalise};

use super::room::Room;
use super::weights::Weights;
use crate::device::{Attention, Columns, Cut, Device, Norm, Places, Shape, Sight};
use crate::error::Fault;
use crate::machine::Linear;
use crate::number::Element;

const EPS: f32 = 1e-6;

/// Pixels to features, one for each patch.
pub(super) struct Encoder<D: Device, E: Element> {
    config: ModelConfig,
    /// The value of each level of each channel, `[3, 256]`.
    levels: D::Array<f32>,
    patch_embed: Linear<D, E>,
    places: Places<D>,
    /// Where each picture's tokens begin, `[B + 1]`.
    starts: D::Array<i32>,
    /// Tokens that are patches, `[B * N]`.
    patches: D::Array<i32>,
    blocks: Vec<Block<D, E>>,
}

impl<D: Device, E: Element> Encoder<D, E> {
    pub(super) fn new(
        device: &D,
        config: &ModelConfig,
        weights: &Weights<'_, D>,
        pictures: usize,
    ) -> Result<Self, VisionError> {
        let (d, tokens, patch) = (config.width, config.patches() + 1, config.patch_size);
        let embed = weights.under("patch_embed.proj");
        let starts: Vec<i32> = (0..=pictures).map(|picture| (picture * tokens) as i32).collect();
        let patches = (0..pictures * tokens).filter(|token| token % tokens != 0);
        let patches: Vec<i32> = patches.map(|token| token as i32).collect();
        Ok(Self {
            config: config.clone(),
            levels: device.upload(normalise::levels().as_flattened())?,
            patch_embed: embed.layer(
                &embed.values("weight", &[d, 3, patch, patch])?,
                &embed.values("bias", &[d])?,
            )?,
            places: Places {
                class_token: weights.array("cls_token", &[1, 1, d])?,
                positions: weights.array("pos_embed", &[1, tokens, d])?,
                tokens,
                width: d,
            },
            starts: device.upload(&starts)?,
            patches: device.upload(&patches)?,
            blocks: (0..config.encoder_depth)
                .map(|block| Block::new(config, &weights.under("blocks").under(block)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// From `room.pixels` to `room.features`.
    pub(super) fn forward(&self, device: &D, room: &mut Room<D, E>) -> Result<(), Fault> {
        let (pictures, n) = (room.pictures, self.config.patches());
        let cut = Cut {
            pictures,
            side: self.config.image_size,
            patch: self.config.patch_size,
            padded: self.patch_embed.inputs,
        };
        device.cut_patches(&room.pixels, &self.levels, cut, &mut room.patches)?;
        device.product(&self.patch_embed, &room.patches, pictures * n, &mut room.out)?;
        device.embed(&room.out, &self.places, pictures, &mut room.x)?;
        let mut added = false;
        for block in &self.blocks {
            self.attend(block, device, room, added)?;
            self.mlp(block, device, room)?;
            added = true;
        }
        // Neither the final norm nor the head is applied; the class token goes.
        let patches = Shape {
            rows: pictures * n,
            width: self.config.width,
        };
        device.take_rows(
            &room.x,
            Some(&room.out),
            &self.patches,
            patches,
            &mut room.features,
        )
    }

    /// What attention gives, in `room.out`: the next norm adds it, as this one does what came before.
    fn attend(&self, block: &Block<D, E>, device: &D, room: &mut Room<D, E>, add: bool) -> Result<(), Fault> {
        let (d, tokens) = (self.config.width, self.config.patches() + 1);
        let rows = room.pictures * tokens;
        let before = add.then_some(&room.out);
        device.add_norm(&mut room.x, before, &block.norm1, rows, &mut room.narrow)?;
        device.product(&block.qkv, &room.narrow, rows, &mut room.wide)?;
        let [q, k, v] = Columns::side_by_side(&room.wide, d);
        let attention = Attention {
            q,
            k,
            v,
            query_starts: &self.starts,
            key_starts: &self.starts,
            kept: None,
            sight: Sight::Everything,
            pictures: room.pictures,
            most_queries: tokens,
            most_keys: tokens,
            heads: self.config.heads,
            head_dim: self.config.head_dim(),
        };
        device.attend(&attention, &mut room.narrow)?;
        device.product(&block.proj, &room.narrow, rows, &mut room.out)
    }

    /// What the MLP gives, in `room.out`.
    fn mlp(&self, block: &Block<D, E>, device: &D, room: &mut Room<D, E>) -> Result<(), Fault> {
        let rows = room.pictures * (self.config.patches() + 1);
        device.add_norm(&mut room.x, Some(&room.out), &block.norm2, rows, &mut room.narrow)?;
        block
            .mlp
            .forward(device, rows, &room.narrow, &mut room.hidden, &mut room.out)
    }
}

/// A pre-norm transformer block.
struct Block<D: Device, E: Element> {
    norm1: Norm<D>,
    qkv: Linear<D, E>,
    proj: Linear<D, E>,
    norm2: Norm<D>,
    mlp: Mlp<D, E>,
}

impl<D: Device, E: Element> Block<D, E> {
    fn new(config: &ModelConfig, weights: &Weights<'_, D>) -> Result<Self, VisionError> {
        let d = config.width;
        let attention = weights.under("attn");
        // Keys have no bias.
        let bias = [
            attention.values("q_bias", &[d])?,
            vec![0.0; d],
            attention.values("v_bias", &[d])?,
        ];
        Ok(Self {
            norm1: weights.norm("norm1", d, EPS)?,
            qkv: attention.layer(&attention.values("qkv.weight", &[3 * d, d])?, &bias.concat())?,
            proj: attention.linear("proj", d, d)?,
            norm2: weights.norm("norm2", d, EPS)?,
            mlp: Mlp::new(config, &weights.under("mlp"))?,
        })
    }
}

/// Two linear layers with an exact (erf) GELU between.
pub(super) struct Mlp<D: Device, E: Element> {
    fc1: Linear<D, E>,
    fc2: Linear<D, E>,
}

impl<D: Device, E: Element> Mlp<D, E> {
    pub(super) fn new(config: &ModelConfig, weights: &Weights<'_, D>) -> Result<Self, VisionError> {
        let (d, hidden) = (config.width, config.mlp_hidden());
        Ok(Self {
            fc1: weights.linear("fc1", hidden, d)?,
            fc2: weights.linear("fc2", d, hidden)?,
        })
    }

    pub(super) fn forward(
        &self,
        device: &D,
        rows: usize,
        x: &D::Array<E>,
        hidden: &mut D::Array<E>,
        out: &mut D::Array<E>,
    ) -> Result<(), Fault> {
        device.product(&self.fc1, x, rows, hidden)?;
        device.gelu(hidden, rows * self.fc1.outputs)?;
        device.product(&self.fc2, hidden, rows, out)
    }
}
