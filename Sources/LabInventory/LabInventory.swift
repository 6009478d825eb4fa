// LabInventory
