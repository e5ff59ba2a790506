//! The trainable tensors of a model by name, and how they are stored.

use crate::error::{Error, Result};
use crate::random::Key;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// Parameters in name order; the names are those of Hugging Face's checkpoints.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    vars: BTreeMap<String, Var>,
    embeddings: BTreeSet<String>,
}

impl Parameters {
    /// None yet.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Adds (or replaces) a parameter with the values of `tensor`.
    pub fn insert(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.vars.insert(name.to_owned(), Var::from_tensor(&tensor.detach().copy()?)?);
        Ok(())
    }

    /// Adds a normal parameter of mean 0; the values depend on (key, name) alone.
    pub fn normal(&mut self, name: &str, shape: &[usize], deviation: f64, key: Key, device: &Device) -> Result<()> {
        let values = key.named(name).normals(shape.iter().product(), deviation);
        self.insert(name, &Tensor::from_vec(values, shape, device)?)
    }

    /// Adds a parameter of ones.
    pub fn ones(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<()> {
        self.insert(name, &Tensor::ones(shape, DType::F32, device)?)
    }

    /// Adds a parameter of zeros.
    pub fn zeros(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<()> {
        self.insert(name, &Tensor::zeros(shape, DType::F32, device)?)
    }

    /// Says that the rows of this parameter are looked up, for tokens or for positions.
    pub fn mark_embedding(&mut self, name: &str) {
        self.embeddings.insert(name.to_owned());
    }

    /// Whether this is a matrix that maps states to states: not a norm, not a bias, not an embedding.
    pub fn is_map(&self, name: &str) -> bool {
        !self.embeddings.contains(name) && self.vars.get(name).is_some_and(|var| var.rank() >= 2)
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Result<&Var> {
        self.vars.get(name).ok_or_else(|| Error::Mismatch {
            place: name.to_owned(),
            found: "no parameter of this name".to_owned(),
            expected: format!("one of {}", self.vars.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    /// All, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.vars.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// How many numbers in all.
    pub fn count(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }

    /// The same values without a graph, sharing storage: what evaluation runs on, in place of a `no_grad`.
    pub fn detached(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// The values as tensors that lead back to the parameters: what training runs on.
    pub fn attached(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect()
    }

    /// Copies that share nothing with these.
    pub fn copy(&self) -> Result<Parameters> {
        let mut other = Parameters { embeddings: self.embeddings.clone(), ..Parameters::new() };
        for (name, var) in self.iter() {
            other.insert(name, var)?;
        }
        Ok(other)
    }

    /// Copies in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Parameters> {
        let mut other = Parameters { embeddings: self.embeddings.clone(), ..Parameters::new() };
        for (name, var) in self.iter() {
            other.insert(name, &var.to_dtype(dtype)?)?;
        }
        Ok(other)
    }

    /// Refuses when a parameter got no gradient, one of only zeros, or one that is not finite; names all of them.
    pub fn check_gradients(&self, gradients: &GradStore) -> Result<()> {
        let mut without = Vec::new();
        for (name, var) in self.iter() {
            let size = match gradients.get(var) {
                Some(gradient) => gradient.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?,
                None => 0.0,
            };
            if !(size.is_finite() && size > 0.0) {
                without.push(name.to_owned());
            }
        }
        if without.is_empty() { Ok(()) } else { Err(Error::NoGradient(without)) }
    }

    /// Writes all as f32 safetensors, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        save(&tensors, path)
    }

    /// Takes the values of a file written by [`Parameters::save`] or by `transformers`: the same names, the same shapes.
    pub fn load_values(&self, path: &Path, device: &Device) -> Result<()> {
        self.take_values(load(path, device)?, path)
    }

    /// Takes the values of `stored`, read from `path`: the same names, the same shapes.
    pub fn take_values(&self, mut stored: BTreeMap<String, Tensor>, path: &Path) -> Result<()> {
        let place = |name: &str| format!("{}, {name}", path.display());
        for (name, var) in self.iter() {
            let Some(tensor) = stored.remove(name) else {
                let expected = format!("a tensor of shape {:?}", var.dims());
                return Err(Error::Mismatch { place: place(name), found: "nothing".into(), expected });
            };
            if tensor.dims() != var.dims() {
                let (found, expected) = (format!("shape {:?}", tensor.dims()), format!("shape {:?}", var.dims()));
                return Err(Error::Mismatch { place: place(name), found, expected });
            }
            var.set(&tensor.to_dtype(var.dtype())?)?;
        }
        match stored.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::Mismatch {
                place: place(name),
                found: "a tensor this model does not have".into(),
                expected: format!("{} tensors", self.len()),
            }),
        }
    }
}

/// Writes tensors as f32 safetensors with the header Hugging Face expects, whole or not at all.
pub fn save(tensors: &BTreeMap<String, Tensor>, path: &Path) -> Result<()> {
    let mut raw = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        raw.push((name, tensor.dims().to_vec(), bytes));
    }
    let mut views = Vec::with_capacity(raw.len());
    for (name, shape, bytes) in &raw {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(FileError::format(path))?;
        views.push((name.as_str(), view));
    }
    let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(header)).map_err(FileError::format(path))?;
    Ok(atomic::write(path, &bytes)?)
}

/// Reads the safetensors file `path`, or, where it is not there, the parts of it that `transformers` makes of a large model
/// and lists in `path` with `.index.json` behind.
///
/// # Errors
/// No such file and no such list, a list that is none, a part that is missing or lacks a tensor the list promises.
pub fn load_parts(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let list = path.with_extension("safetensors.index.json");
    if path.exists() || !list.exists() {
        return load(path, device);
    }
    let bytes = std::fs::read(&list).map_err(FileError::io("read", &list))?;
    let parts: Parts = serde_json::from_slice(&bytes).map_err(FileError::format(&list))?;
    let files: BTreeSet<&String> = parts.weight_map.values().collect();
    let mut tensors = BTreeMap::new();
    for file in files {
        tensors.extend(load(&list.with_file_name(file), device)?);
    }
    match parts.weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => Ok(tensors),
        Some((name, file)) => Err(Error::Mismatch {
            place: list.with_file_name(file).display().to_string(),
            found: format!("no tensor {name}"),
            expected: format!("it, as {} says", list.display()),
        }),
    }
}

/// The list of a model's parts, as `transformers` writes it.
#[derive(serde::Deserialize)]
struct Parts {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

/// Reads a safetensors file into memory.
pub fn load(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, device).map_err(FileError::format(path))?;
    Ok(tensors.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Parameters {
        let mut parameters = Parameters::new();
        parameters.normal("b.weight", &[3, 2], 1.0, Key::new(1), &Device::Cpu).unwrap();
        parameters.ones("a.weight", &[2], &Device::Cpu).unwrap();
        parameters
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let (first, mut second) = (two(), two());
        first.save(&path).unwrap();
        second.normal("b.weight", &[3, 2], 1.0, Key::new(2), &Device::Cpu).unwrap();
        second.load_values(&path, &Device::Cpu).unwrap();
        for ((_, a), (_, b)) in first.iter().zip(second.iter()) {
            assert_eq!(
                a.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                b.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            );
        }
        second.ones("a.weight", &[3], &Device::Cpu).unwrap();
        let message = second.load_values(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("a.weight: found shape [2]; expected shape [3]"), "{message}");
    }

    #[test]
    fn a_model_in_parts_is_read_by_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let (path, model) = (folder.path().join("model.safetensors"), two());
        for (number, (name, tensor)) in model.attached().into_iter().enumerate() {
            let part = folder.path().join(format!("model-0000{}-of-00002.safetensors", number + 1));
            save(&BTreeMap::from([(name, tensor)]), &part).unwrap();
        }
        let list = |parts: &str| {
            std::fs::write(folder.path().join("model.safetensors.index.json"), format!("{{\"weight_map\":{parts}}}"))
        };
        let [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        list(&format!("{{\"a.weight\":\"{first}\",\"b.weight\":\"{second}\"}}")).unwrap();
        two().take_values(load_parts(&path, &Device::Cpu).unwrap(), &path).unwrap();
        list(&format!("{{\"a.weight\":\"{first}\",\"b.weight\":\"{first}\"}}")).unwrap();
        let message = load_parts(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("model-00001-of-00002.safetensors: found no tensor b.weight"), "{message}");
        // The whole file comes first.
        model.save(&path).unwrap();
        two().take_values(load_parts(&path, &Device::Cpu).unwrap(), &path).unwrap();
    }

    #[test]
    fn maps_are_told_from_embeddings_and_vectors() {
        let mut parameters = two();
        parameters.ones("c.weight", &[3, 2], &Device::Cpu).unwrap();
        parameters.mark_embedding("c.weight");
        for copy in [parameters.copy().unwrap(), parameters.to_dtype(DType::F64).unwrap(), parameters] {
            let maps: Vec<&str> = copy.iter().map(|(name, _)| name).filter(|name| copy.is_map(name)).collect();
            assert_eq!(maps, ["b.weight"]);
        }
    }

    #[test]
    fn a_parameter_without_gradient_is_named() {
        let parameters = two();
        let loss = parameters.get("b.weight").unwrap().sqr().unwrap().sum_all().unwrap();
        let error = parameters.check_gradients(&loss.backward().unwrap()).unwrap_err();
        assert!(matches!(error, Error::NoGradient(names) if names == ["a.weight"]));
    }
}
