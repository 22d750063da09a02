//! What is traded, where and how.

/// A hundred symbols, the most traded first.
pub(super) const SYMBOLS: [&str; 100] = [
    "SPY", "NVDA", "TSLA", "AAPL", "AMD", "QQQ", "AMZN", "MSFT", "META", "INTC", "PLTR", "F", "BAC", "GOOGL",
    "T", "SOFI", "NIO", "PFE", "CCL", "AAL", "GOOG", "MU", "WFC", "C", "UBER", "XOM", "VZ", "KO", "CSCO",
    "WBD", "SNAP", "RIVN", "GM", "CMCSA", "NFLX", "DIS", "ORCL", "JPM", "KVUE", "HPE", "NKE", "BMY", "MRK",
    "OXY", "SLB", "KMI", "HBAN", "BABA", "PYPL", "SQ", "COIN", "SHOP", "AVGO", "QCOM", "WMT", "CVX", "ABT",
    "JNJ", "PG", "UNH", "HD", "V", "MA", "CRM", "ADBE", "TXN", "IBM", "GE", "BA", "CAT", "DE", "MMM", "HON",
    "LMT", "RTX", "UPS", "FDX", "DAL", "UAL", "LUV", "MAR", "SBUX", "MCD", "COST", "TGT", "LOW", "TJX",
    "CVS", "GILD", "AMGN", "LLY", "MDT", "ISRG", "GS", "MS", "SCHW", "BLK", "AXP", "USB", "PNC",
];

/// Where it is traded.
pub(super) const EXCHANGES: [&str; 8] = ["NASDAQ", "NYSE", "ARCA", "BATS", "EDGX", "IEX", "MEMX", "PHLX"];

/// Which side took.
pub(super) const SIDES: [&str; 2] = ["buy", "sell"];

/// How it was ordered.
pub(super) const ORDER_TYPES: [&str; 4] = ["limit", "market", "ioc", "stop"];
