//! In which order the two halves of a pair stand.

use std::fmt;

use img2tokens_schemas::Order;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use crate::draw::{Purpose, fraction};

/// Which orders a pair is written in. In a config: `"alternate"`, `"both"`, `"image_text"`, `"text_image"`, or a number
/// from 0 to 1, the probability of `image_text`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OrderPolicy {
    /// One of the two, each as likely, by the sample's key: what LaVIT's authors did.
    #[default]
    Alternate,
    /// Both, as two sequences: `image_text` first.
    Both,
    /// The image always on the left.
    ImageText,
    /// The text always on the left.
    TextImage,
    /// One of the two by the sample's key: `image_text` with this probability.
    Probability(f64),
}

impl OrderPolicy {
    /// The orders of the sample `key`: one, or two for [`OrderPolicy::Both`].
    #[must_use]
    pub fn orders(self, seed: u64, key: &str) -> &'static [Order] {
        let image_text = match self {
            Self::Both => return &[Order::ImageText, Order::TextImage],
            Self::ImageText => true,
            Self::TextImage => false,
            Self::Alternate => fraction(Purpose::Order, seed, key) < 0.5,
            Self::Probability(image_text) => fraction(Purpose::Order, seed, key) < image_text,
        };
        if image_text {
            &[Order::ImageText]
        } else {
            &[Order::TextImage]
        }
    }
}

impl Serialize for OrderPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Alternate => serializer.serialize_str("alternate"),
            Self::Both => serializer.serialize_str("both"),
            Self::ImageText => serializer.serialize_str("image_text"),
            Self::TextImage => serializer.serialize_str("text_image"),
            Self::Probability(image_text) => serializer.serialize_f64(*image_text),
        }
    }
}

impl<'de> Deserialize<'de> for OrderPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PolicyVisitor)
    }
}

struct PolicyVisitor;

impl Visitor<'_> for PolicyVisitor {
    type Value = OrderPolicy;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "\"alternate\", \"both\", \"image_text\", \"text_image\", or the probability of image_text from 0 to 1",
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<OrderPolicy, E> {
        match name {
            "alternate" => Ok(OrderPolicy::Alternate),
            "both" => Ok(OrderPolicy::Both),
            "image_text" => Ok(OrderPolicy::ImageText),
            "text_image" => Ok(OrderPolicy::TextImage),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, image_text: f64) -> Result<OrderPolicy, E> {
        if (0.0..=1.0).contains(&image_text) {
            Ok(OrderPolicy::Probability(image_text))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(image_text), &self))
        }
    }

    fn visit_i64<E: de::Error>(self, image_text: i64) -> Result<OrderPolicy, E> {
        self.visit_f64(image_text as f64)
    }

    fn visit_u64<E: de::Error>(self, image_text: u64) -> Result<OrderPolicy, E> {
        self.visit_f64(image_text as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_survives_its_config_form() {
        for (policy, form) in [
            (OrderPolicy::Alternate, "\"alternate\""),
            (OrderPolicy::Both, "\"both\""),
            (OrderPolicy::ImageText, "\"image_text\""),
            (OrderPolicy::TextImage, "\"text_image\""),
            (OrderPolicy::Probability(0.25), "0.25"),
        ] {
            assert_eq!(serde_json::to_string(&policy).unwrap(), form);
            assert_eq!(serde_json::from_str::<OrderPolicy>(form).unwrap(), policy);
        }
        assert_eq!(
            serde_json::from_str::<OrderPolicy>("1").unwrap(),
            OrderPolicy::Probability(1.0)
        );
    }

    #[test]
    fn a_wrong_policy_is_told_what_would_be_right() {
        for wrong in ["\"alternating\"", "1.5", "-1", "true"] {
            let message = serde_json::from_str::<OrderPolicy>(wrong)
                .unwrap_err()
                .to_string();
            assert!(message.contains("image_text"), "{message}");
        }
    }

    #[test]
    fn alternate_gives_each_order_to_half_of_the_keys() {
        let image_first = (0..10_000)
            .filter(|key| OrderPolicy::Alternate.orders(0, &format!("{key:09}")) == [Order::ImageText])
            .count();
        assert!((4_800..5_200).contains(&image_first), "{image_first}");
    }

    #[test]
    fn a_probability_is_met_and_its_ends_are_exact() {
        let image_first = |policy: OrderPolicy| {
            (0..10_000)
                .filter(|key| policy.orders(3, &key.to_string()) == [Order::ImageText])
                .count()
        };
        assert_eq!(image_first(OrderPolicy::Probability(0.0)), 0);
        assert_eq!(image_first(OrderPolicy::Probability(1.0)), 10_000);
        let tenth = image_first(OrderPolicy::Probability(0.1));
        assert!((880..1_120).contains(&tenth), "{tenth}");
    }
}
