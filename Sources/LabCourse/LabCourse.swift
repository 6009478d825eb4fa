// LabCourse
