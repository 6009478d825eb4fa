// MQNameserver
