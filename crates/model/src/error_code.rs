//! The error vocabulary of the Azure world: number, name, HTTP status, whose fault, and whether
//! trying again helps. One table; everything that answers a client chooses from it.

use std::fmt;

/// Who has to change something for the next try to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is wrong.
    Caller,
    /// The device or module at the other end is the reason.
    Peer,
    /// The hub is.
    Hub,
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// After reading the present state and deciding anew.
    AfterReading,
    /// After a pause.
    Later,
}

macro_rules! vocabulary {
    ($($name:ident $number:literal $fault:ident $retry:ident)*) => {
        /// A failure as clients know it. The HTTP status is the number's first three digits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($name),* }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The name that SDKs compare with.
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$name => stringify!($name)),* }
            }

            /// The six-digit number.
            pub fn number(self) -> u32 {
                match self { $(ErrorCode::$name => $number),* }
            }

            pub fn fault(self) -> Fault {
                match self { $(ErrorCode::$name => Fault::$fault),* }
            }

            pub fn retry(self) -> Retry {
                match self { $(ErrorCode::$name => Retry::$retry),* }
            }
        }
    };
}

vocabulary! {
    GenericBadRequest 400000 Caller Never
    InvalidProtocolVersion 400001 Caller Never
    DeviceInvalidResultCount 400002 Caller Never
    InvalidOperation 400003 Caller Never
    ArgumentInvalid 400004 Caller Never
    ArgumentNull 400005 Caller Never
    IotHubFormatError 400006 Caller Never
    DeviceStorageEntitySerializationError 400007 Caller Never
    BlobContainerValidationError 400008 Caller Never
    ImportWarningExistsError 400009 Caller Never
    InvalidSchemaVersion 400010 Caller Never
    DeviceDefinedMultipleTimes 400011 Caller Never
    DeserializationError 400012 Caller Never
    BulkRegistryOperationFailure 400013 Caller Never
    DefaultStorageEndpointNotConfigured 400014 Hub Never
    InvalidFileUploadCorrelationId 400015 Caller Never
    ExpiredFileUploadCorrelationId 400016 Caller Never
    InvalidStorageEndpoint 400017 Hub Never
    InvalidMessagingEndpoint 400018 Hub Never
    InvalidFileUploadCompletionStatus 400019 Caller Never
    InvalidStorageEndpointOrBlob 400020 Caller Never
    EtagDoesNotMatch 400023 Caller AfterReading
    RequestTimedOut 400024 Caller Later
    NullMessage 400026 Caller Never
    ConnectionForcefullyClosedOnNewConnection 400027 Peer Later
    InvalidDeviceScope 400028 Caller Never
    InvalidConfigurationContent 400029 Caller Never
    InvalidContentEncodingOrType 400103 Caller Never
    CannotRegisterModuleToModule 400301 Caller Never
    GenericUnauthorized 401000 Caller Never
    IotHubNotFound 401001 Caller Never
    IotHubUnauthorizedAccess 401002 Caller Never
    IotHubUnauthorized 401003 Caller Never
    SystemModuleModifyUnauthorizedAccess 401004 Caller Never
    IotHubSuspended 403001 Hub Later
    IotHubQuotaExceeded 403002 Caller Later
    JobQuotaExceeded 403003 Caller Later
    DeviceMaximumQueueDepthExceeded 403004 Peer Later
    IotHubMaxCbsTokenExceeded 403005 Caller Never
    DeviceMaximumActiveFileUploadLimitExceeded 403006 Caller Later
    InvalidMessageExpiryTime 403009 Caller Never
    OperationNotAvailableInCurrentTier 403010 Hub Never
    DeviceDisabled 403012 Caller Never
    DeviceMaximumInflightMethodExceeded 403800 Caller Later
    OperationNotFound 404000 Caller Never
    DeviceNotFound 404001 Caller Never
    JobNotFound 404002 Caller Never
    AmqpAddressNotFound 404006 Caller Never
    ModuleNotFound 404010 Caller Never
    DeviceNotOnline 404103 Peer Later
    DeviceConnectionClosedRemotely 404104 Peer Later
    MethodNotAllowed 405000 Caller Never
    DeviceAlreadyExists 409001 Caller Never
    LinkCreationConflict 409002 Caller Later
    ModuleAlreadyExistsOnDevice 409301 Caller Never
    PreconditionFailed 412001 Caller AfterReading
    DeviceMessageLockLost 412002 Caller AfterReading
    InflightMessagesInLink 412004 Caller Later
    MessageTooLarge 413001 Caller Never
    TooManyDevices 413002 Caller Never
    TooManyModulesOnDevice 413003 Caller Never
    GenericTooManyRequests 429000 Caller Later
    ThrottlingException 429001 Caller Later
    ThrottleBacklogLimitExceeded 429002 Caller Later
    ThrottlingBacklogTimeout 429003 Caller Later
    ThrottlingMaxActiveJobCountExceeded 429004 Caller Later
    DeviceThrottlingLimitExceeded 429005 Caller Later
    ServerError 500001 Hub Later
    JobCancelled 500002 Hub Never
    InvalidThrottleParameter 500009 Hub Never
    ServiceUnavailable 503001 Hub Later
    PartitionNotFound 503003 Hub Later
    GatewayTimeout 504101 Peer Later
}

impl ErrorCode {
    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        u16::try_from(self.number() / 1000).unwrap_or(500)
    }

    /// Looks a code up by the name that came over the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_names_are_unique_and_give_a_status() {
        let numbers: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.name()), Some(*code));
            assert!((400..=504).contains(&code.status()), "{code}");
            assert_eq!(code.status() >= 500, code.number() >= 500_000);
        }
    }
}
