// LabHistory
