//! Sums as `#expr` does them: operators, their order and their errors are those of Manual:Expr parser function syntax
//! on mediawiki.org. A stack of operators and one of operands; nothing recurses.

/// Operators and operands that may wait at once.
const WAITING: usize = 100;

/// Why a sum has no value; the wiki prints it, we only need to know that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    UnexpectedNumber,
    UnexpectedOperator,
    UnknownWord,
    UnknownCharacter,
    UnclosedBracket,
    MissingOperand,
    DivisionByZero,
    OutsideDomain,
    TooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Open,
    Negative,
    Positive,
    Exponent,
    Function(Function),
    Power,
    Times,
    Divide,
    Modulo,
    FloatModulo,
    Plus,
    Minus,
    Round,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Not,
    Ceil,
    Trunc,
    Floor,
    Abs,
    Exp,
    Ln,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sqrt,
}

impl Operator {
    /// What binds tighter comes first.
    fn precedence(self) -> i8 {
        match self {
            Operator::Negative | Operator::Positive | Operator::Exponent => 10,
            Operator::Function(_) => 9,
            Operator::Power => 8,
            Operator::Times | Operator::Divide | Operator::Modulo | Operator::FloatModulo => 7,
            Operator::Plus | Operator::Minus => 6,
            Operator::Round => 5,
            Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => 4,
            Operator::And => 3,
            Operator::Or => 2,
            Operator::Open => -1,
        }
    }
}

/// The value of a sum; none of an empty one.
pub(super) fn evaluate(sum: &str) -> Result<Option<f64>, Fault> {
    let sum = sum.replace("&lt;", "<").replace("&gt;", ">").replace("&minus;", "-").replace('−', "-");
    let mut stacks = Stacks::default();
    let mut operand = true; // whether one is expected
    let mut rest = sum.as_str();
    while let Some(first) = rest.chars().next() {
        if stacks.operands.len() > WAITING || stacks.operators.len() > WAITING {
            return Err(Fault::TooLong);
        }
        let length = match first {
            ' ' | '\t' | '\n' | '\r' => 1,
            '0'..='9' | '.' => {
                if !operand {
                    return Err(Fault::UnexpectedNumber);
                }
                let length = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.')).count();
                stacks.operands.push(number(&rest[..length]));
                operand = false;
                length
            }
            'a'..='z' | 'A'..='Z' => {
                let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                operand = stacks.word(&rest[..length].to_ascii_lowercase(), operand)?;
                length
            }
            '(' if !operand => return Err(Fault::UnexpectedOperator),
            '(' => {
                stacks.operators.push(Operator::Open);
                1
            }
            ')' => {
                stacks.close()?;
                operand = false;
                1
            }
            '+' | '-' if operand => {
                stacks.operators.push(if first == '-' { Operator::Negative } else { Operator::Positive });
                1
            }
            _ => {
                let (operator, length) = sign(rest).ok_or(Fault::UnknownCharacter)?;
                stacks.binary(operator, operand)?;
                operand = true;
                length
            }
        };
        rest = &rest[length..];
    }
    stacks.finish()
}

/// As PHP reads digits and dots: up to a second dot.
fn number(text: &str) -> f64 {
    let end = text.match_indices('.').nth(1).map_or(text.len(), |(at, _)| at);
    text[..end].parse().unwrap_or(0.0)
}

fn sign(text: &str) -> Option<(Operator, usize)> {
    const SIGNS: &[(&str, Operator)] = &[
        ("<>", Operator::Unequal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("=", Operator::Equal),
        ("+", Operator::Plus),
        ("-", Operator::Minus),
        ("*", Operator::Times),
        ("/", Operator::Divide),
        ("^", Operator::Power),
    ];
    SIGNS.iter().find(|(sign, _)| text.starts_with(sign)).map(|(sign, operator)| (*operator, sign.len()))
}

#[derive(Default)]
struct Stacks {
    operands: Vec<f64>,
    operators: Vec<Operator>,
}

impl Stacks {
    /// Takes a word in; whether an operand is expected after it.
    fn word(&mut self, word: &str, operand: bool) -> Result<bool, Fault> {
        let binary = match word {
            "e" if !operand => Operator::Exponent,
            "e" | "pi" if operand => {
                self.operands.push(if word == "e" { std::f64::consts::E } else { std::f64::consts::PI });
                return Ok(false);
            }
            "pi" => return Err(Fault::UnexpectedNumber),
            "mod" => Operator::Modulo,
            "fmod" => Operator::FloatModulo,
            "div" => Operator::Divide,
            "round" => Operator::Round,
            "and" => Operator::And,
            "or" => Operator::Or,
            _ => {
                let function = match word {
                    "not" => Function::Not,
                    "ceil" => Function::Ceil,
                    "trunc" => Function::Trunc,
                    "floor" => Function::Floor,
                    "abs" => Function::Abs,
                    "exp" => Function::Exp,
                    "ln" => Function::Ln,
                    "sin" => Function::Sin,
                    "cos" => Function::Cos,
                    "tan" => Function::Tan,
                    "asin" => Function::Asin,
                    "acos" => Function::Acos,
                    "atan" => Function::Atan,
                    "sqrt" => Function::Sqrt,
                    _ => return Err(Fault::UnknownWord),
                };
                if !operand {
                    return Err(Fault::UnexpectedOperator);
                }
                self.operators.push(Operator::Function(function));
                return Ok(true);
            }
        };
        self.binary(binary, operand)?;
        Ok(true)
    }

    fn binary(&mut self, operator: Operator, operand: bool) -> Result<(), Fault> {
        if operand {
            return Err(Fault::UnexpectedOperator);
        }
        while let Some(waiting) = self.operators.pop_if(|waiting| operator.precedence() <= waiting.precedence()) {
            self.apply(waiting)?;
        }
        self.operators.push(operator);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        loop {
            match self.operators.pop().ok_or(Fault::UnexpectedOperator)? {
                Operator::Open => return Ok(()),
                operator => self.apply(operator)?,
            }
        }
    }

    fn finish(mut self) -> Result<Option<f64>, Fault> {
        while let Some(operator) = self.operators.pop() {
            if operator == Operator::Open {
                return Err(Fault::UnclosedBracket);
            }
            self.apply(operator)?;
        }
        match self.operands[..] {
            [] => Ok(None),
            [value] if value.is_finite() => Ok(Some(value)),
            [_] => Err(Fault::OutsideDomain),
            _ => Err(Fault::UnexpectedNumber),
        }
    }

    fn apply(&mut self, operator: Operator) -> Result<(), Fault> {
        let right = self.operands.pop().ok_or(Fault::MissingOperand)?;
        let value = match operator {
            Operator::Open => unreachable!("brackets are taken off before"),
            Operator::Negative => -right,
            Operator::Positive => right,
            Operator::Function(function) => one(function, right)?,
            _ => two(operator, self.operands.pop().ok_or(Fault::MissingOperand)?, right)?,
        };
        self.operands.push(value);
        Ok(())
    }
}

fn one(function: Function, x: f64) -> Result<f64, Fault> {
    let within = |holds: bool, value: f64| if holds { Ok(value) } else { Err(Fault::OutsideDomain) };
    match function {
        Function::Not => Ok(f64::from(u8::from(x == 0.0))),
        Function::Ceil => Ok(x.ceil()),
        Function::Trunc => Ok(x.trunc()),
        Function::Floor => Ok(x.floor()),
        Function::Abs => Ok(x.abs()),
        Function::Exp => Ok(x.exp()),
        Function::Ln => within(x > 0.0, x.ln()),
        Function::Sin => Ok(x.sin()),
        Function::Cos => Ok(x.cos()),
        Function::Tan => Ok(x.tan()),
        Function::Asin => within(x.abs() <= 1.0, x.asin()),
        Function::Acos => within(x.abs() <= 1.0, x.acos()),
        Function::Atan => Ok(x.atan()),
        Function::Sqrt => within(x >= 0.0, x.sqrt()),
    }
}

fn two(operator: Operator, left: f64, right: f64) -> Result<f64, Fault> {
    let truth = |holds: bool| f64::from(u8::from(holds));
    Ok(match operator {
        Operator::Exponent => left * 10_f64.powf(right),
        Operator::Power => left.powf(right),
        Operator::Times => left * right,
        Operator::Divide if right == 0.0 => return Err(Fault::DivisionByZero),
        Operator::Divide => left / right,
        // Whole numbers, as the wiki's server takes them.
        Operator::Modulo => (left as i64).checked_rem(right as i64).ok_or(Fault::DivisionByZero)? as f64,
        Operator::FloatModulo if right == 0.0 => return Err(Fault::DivisionByZero),
        Operator::FloatModulo => left % right,
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Round => round(left, right as i64),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::Open | Operator::Negative | Operator::Positive | Operator::Function(_) => unreachable!("one operand"),
    })
}

/// Half away from zero, of the number as it is written with 15 digits: 1.005 to two places is 1.01, as in PHP.
fn round(value: f64, places: i64) -> f64 {
    let power = 10_f64.powi(places.unsigned_abs().min(300) as i32);
    let moved = if places >= 0 { value * power } else { value / power };
    if !moved.is_finite() || moved.abs() >= 1e15 {
        return if moved.is_finite() || places > 0 { value } else { 0.0 };
    }
    let written: f64 = format!("{moved:.14e}").parse().unwrap_or(moved);
    let whole = written.round();
    if places >= 0 { whole / power } else { whole * power }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::php;
    use super::*;

    /// Expressions and values of ParserFunctions' own tests (tests/phpunit/unit/ExpressionTest.php) and of
    /// Help:Extension:ParserFunctions.
    #[test]
    fn values_are_those_of_mediawiki() {
        for (sum, value) in [
            ("1 or 0", "1"),
            ("not (1 and 0)", "1"),
            ("-4 * -4 = 4 * 4", "1"),
            ("(1/3) * 3", "1"),
            ("3 / ( 2.0 / 10 )", "15"),
            ("3 / abs( 0.2 )", "15"),
            ("1e4", "10000"),
            ("1e-2", "0.01"),
            ("4.5 round 0", "5"),
            ("-4.5 round 0", "-5"),
            ("ceil -4.5", "-4"),
            ("ln(exp(1))", "1"),
            ("trunc(-4.5)", "-4"),
            ("123 fmod (2^64-1)", "123"),
            ("5.7 mod 1.3", "0"),
            ("5.7 fmod 1.3", "0.5"),
            ("pi + 1", "4.1415926535898"),
            ("1/3 round 5", "0.33333"),
            ("8.99999/9 round 5", "1"),
            ("1234.5678 round -2", "1200"),
            ("1/2 round 0", "1"),
            ("1 and -1", "1"),
            ("", ""),
            // By the order of operators: a sign binds before a power, powers from the left.
            ("-2^2", "4"),
            ("2^3^2", "64"),
            ("2 + 3 * 4 round 0 = 14", "1"),
            ("7 div 2", "3.5"),
            ("3 &lt; 4", "1"),
            ("5 − 7", "-2"),
            ("1.005 round 2", "1.01"),
            ("5 round -99999999999", "0"),
            ("5.5 round 99999999999", "5.5"),
            ("-8 mod 3", "-2"),
            ("2e3e1", "20000"), // (2e3)e1
        ] {
            assert_eq!(evaluate(sum).map(|value| value.map(php).unwrap_or_default()), Ok(value.to_owned()), "{sum}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (sum, fault) in [
            ("1 2", Fault::UnexpectedNumber),
            ("1 pi", Fault::UnexpectedNumber),
            ("foo", Fault::UnknownWord),
            ("1 sin", Fault::UnexpectedOperator),
            ("1 (", Fault::UnexpectedOperator),
            ("1 + 1)", Fault::UnexpectedOperator),
            ("<1", Fault::UnexpectedOperator),
            ("1, 2", Fault::UnknownCharacter),
            ("ž", Fault::UnknownCharacter),
            ("(1", Fault::UnclosedBracket),
            ("-", Fault::MissingOperand),
            ("1*", Fault::MissingOperand),
            ("sin()", Fault::MissingOperand),
            ("1/0", Fault::DivisionByZero),
            ("1 mod 0", Fault::DivisionByZero),
            ("1 mod 0.5", Fault::DivisionByZero),
            ("ln 0", Fault::OutsideDomain),
            ("9^9^9^9", Fault::OutsideDomain),
        ] {
            assert_eq!(evaluate(sum), Err(fault), "{sum}");
        }
        assert_eq!(evaluate(&("ln(".repeat(1001) + "1" + &")".repeat(1001))), Err(Fault::TooLong));
        assert_eq!(evaluate(&"(".repeat(100_000)), Err(Fault::TooLong));
    }
}
