//! How the temperature walks: up from its minimum by about half a degree a step, and around its
//! maximum once it is there.

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WalkOptions {
    pub temperature_min: f64,
    pub temperature_max: f64,
    pub pressure_min: f64,
    pub pressure_max: f64,
    pub ambient: f64,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            temperature_min: 21.0,
            temperature_max: 100.0,
            pressure_min: 1.0,
            pressure_max: 10.0,
            ambient: 21.0,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Walk {
    options: WalkOptions,
    temperature: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readings {
    pub temperature: f64,
    pub pressure: f64,
    pub ambient: f64,
    pub humidity: u32,
}

/// Values of the ambient humidity, from its least one.
const HUMIDITY_MIN: u32 = 24;
const HUMIDITIES: f64 = 3.0;

impl Walk {
    pub fn new(options: WalkOptions) -> Self {
        Self { options, temperature: options.temperature_min }
    }

    pub fn reset(&mut self) {
        self.temperature = self.options.temperature_min;
    }

    /// One step; the chances lie between 0 and 1, without 1.
    pub fn step(&mut self, chances: [f64; 3]) -> Readings {
        let [step, ambient, humidity] = chances;
        let WalkOptions { temperature_min, temperature_max, pressure_min, pressure_max, .. } = self.options;
        self.temperature += if self.temperature > temperature_max { step - 0.5 } else { step * 1.5 - 0.25 };
        let slope = (pressure_max - pressure_min) / (temperature_max - temperature_min);
        Readings {
            temperature: self.temperature,
            pressure: pressure_min + (self.temperature - temperature_min) * slope,
            ambient: self.options.ambient + ambient - 0.5,
            humidity: HUMIDITY_MIN + whole(humidity * HUMIDITIES),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 3")]
fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_walks_up_and_stays_there() {
        let mut walk = Walk::new(WalkOptions::default());
        assert_eq!(
            walk.step([0.5, 0.5, 0.0]),
            Readings { temperature: 21.5, pressure: 1.0 + 0.5 * 9.0 / 79.0, ambient: 21.0, humidity: 24 }
        );
        let last = (0..1000).map(|_| walk.step([0.5, 0.0, 0.999])).last().unwrap();
        assert!((100.0..101.0).contains(&last.temperature), "{last:?}");
        assert_eq!((last.ambient, last.humidity), (20.5, 26));
        let hot = walk.step([0.999, 0.0, 0.0]).temperature;
        assert!(hot > last.temperature && walk.step([0.0, 0.0, 0.0]).temperature < hot);
        walk.reset();
        assert_eq!(walk.step([0.0, 0.5, 0.0]).temperature, 20.75);
    }
}
