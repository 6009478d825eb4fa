// MQTransport
