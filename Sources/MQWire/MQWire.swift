// MQWire
